// Files to rows, rows to class ids, and the split. The readers are dataset_jsonl and dataset_csv.
#include "trainer/text/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <utility>

#include "trainer/contract/data_bytes.h"
#include "trainer/contract/seeded_random.h"
#include "trainer/text/dataset_reading.h"
#include "trainer/text/log.h"
#include "trainer/text/mapped_file.h"
#include "trainer/text/row_doubts.h"

namespace graft {
namespace {

std::string describe(const std::string& file_name, std::int64_t line, const std::string& problem) {
  const std::string place = line > 0 ? file_name + " line " + std::to_string(line) : file_name;
  return place + ": " + problem;
}

void read_text(std::string_view text, const DataFile& file, RowCollector& rows) {
  DecodedData decoded;
  decode_data(text, max_decoded_bytes, false, decoded);
  if (!decoded.problem.empty()) rows.fail(0, {"", decoded.problem});
  for (std::string& note : decoded.notes) rows.note({"info", std::move(note)});
  text = decoded.text;
  const std::size_t offset = decoded.offset;
  if (text.empty()) rows.fail(0, {"", "the file is empty; upload one with rows"});
  const std::optional<DataFormat> format = data_format_of(file.name);
  if (format == DataFormat::jsonl) {
    read_jsonl(text, offset, rows);
  } else if (format) {
    read_separated(text, offset, *format, rows);
  } else {
    rows.fail(0, {"",
                  "the name tells no known format; it must end in .jsonl, .csv or .tsv, with or "
                  "without .gz"});
  }
}

void check_labels(const std::vector<std::string>& labels, const std::string& file_name) {
  const auto fail = [&](const std::string& problem) {
    throw DataError(FileRole::training, file_name, 0, "label", problem);
  };
  if (labels.size() < 2) {
    fail("every row has the label \"" + labels.front() +
         "\"; a task needs rows of at least two labels");
  }
  if (labels.size() > max_classes) {
    fail("the rows have " + std::to_string(labels.size()) + " different labels, more than " +
         std::to_string(max_classes) + "; is the label really the name of a class?");
  }
}

// The training label that an unknown one may have meant: the same but for case, or the same number.
std::string meant_label(const std::string& label, const std::vector<std::string>& labels) {
  const auto number = number_of(label);
  for (const std::string& known : labels)
    if (column_name(known) == column_name(label) || (number && number_of(known) == number))
      return "; they have \"" + known + "\", write it so";
  return "; remove the row or add training rows with this label";
}

// Class ids of the rows of a validation file, whose labels the training rows must know.
std::vector<std::int32_t> known_class_ids(const LabelColumn& validation, const std::string& name,
                                          const std::vector<std::string>& labels) {
  std::vector<std::int32_t> class_of;  // of each of the file's own labels; -1: unknown
  for (const std::string& label : validation.labels) {
    const auto found = std::lower_bound(labels.begin(), labels.end(), label);
    const bool known = found != labels.end() && *found == label;
    class_of.push_back(known ? static_cast<std::int32_t>(found - labels.begin()) : -1);
  }
  std::vector<std::int32_t> ids;
  ids.reserve(validation.ids.size());
  FaultList faults(FileRole::validation, name);
  for (std::size_t row = 0; row < validation.ids.size(); ++row) {
    const auto own = static_cast<std::size_t>(validation.ids[row]);
    const std::string& label = validation.labels[own];
    if (class_of[own] < 0 && faults.full())
      faults.add(validation.lines[row], {});
    else if (class_of[own] < 0)
      faults.add(validation.lines[row],
                 {"label", "the label \"" + label + "\" is on no training row" +
                               meant_label(label, labels)});
    ids.push_back(class_of[own]);
  }
  faults.throw_if_any();
  return ids;
}

void check_pairs(const LabelColumn& validation, const std::string& name, bool pairs) {
  if (validation.pairs == pairs) return;
  throw DataError(FileRole::validation, name, validation.lines.front(), "text_pair",
                  std::string(pairs ? "the row is no pair of texts, the training rows are"
                                    : "the row is a pair of texts, the training rows are not") +
                      "; both files need the same members or columns");
}

}  // namespace

// ---- Errors ------------------------------------------------------------------------------------

DataError::DataError(FileRole file_role, const std::string& file_name, std::int64_t at_line,
                     std::string at_member, const std::string& problem)
    : std::runtime_error(describe(file_name, at_line, problem)),
      role(file_role),
      line(at_line),
      member(std::move(at_member)) {}

std::string DataError::code() const {
  return "invalid_" + param();
}

std::string DataError::param() const {
  return role == FileRole::training ? "training_file" : "validation_file";
}

// ---- Files, tasks and splits -------------------------------------------------------------------

std::vector<Row> read_rows(const DataFile& file, FileRole role) {
  return read_data(file, role).rows;
}

DataRows read_data(const DataFile& file, FileRole role) {
  RowCollector rows(role, file.name);
  try {
    const MappedFile mapped(file.path);
    mapped.expect_sequential_reading();
    if (mapped.size() == 0) rows.fail(0, {"", "the file is empty; upload one with rows"});
    read_text(mapped.text(), file, rows);
  } catch (const MappedFileError& error) {
    log_error(file.name + ": " + error.what());
    throw DataError(role, file.name, 0, "", "the stored file is gone; upload it again");
  }
  return rows.finish();
}

LabelColumn label_column(const std::vector<Row>& rows) {
  LabelColumn column;
  std::vector<std::string_view> all;
  all.reserve(rows.size());
  for (const Row& row : rows) all.push_back(row.label);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  column.labels.assign(all.begin(), all.end());
  for (const Row& row : rows) {
    const auto found = std::lower_bound(all.begin(), all.end(), row.label);
    column.ids.push_back(static_cast<std::int32_t>(found - all.begin()));
    column.lines.push_back(row.line);
  }
  column.pairs = !rows.empty() && rows.front().text_pair.has_value();
  return column;
}

TaskPlan plan_task(const LabelColumn& training, const std::string& training_name,
                   const LabelColumn* validation, const std::string& validation_name,
                   double validation_fraction, std::uint64_t seed) {
  check_labels(training.labels, training_name);
  TaskPlan plan;
  plan.labels = training.labels;
  const auto choose_rows = [](std::span<const std::int32_t> class_ids,
                              std::span<const std::size_t> rows) {
    ChosenRows chosen;
    for (const std::size_t row : rows) {
      chosen.rows.push_back(static_cast<std::uint32_t>(row));
      chosen.class_ids.push_back(class_ids[row]);
    }
    return chosen;
  };
  const auto choose_all = [](std::span<const std::int32_t> class_ids) {
    ChosenRows chosen;
    chosen.rows.resize(class_ids.size());
    std::iota(chosen.rows.begin(), chosen.rows.end(), 0U);
    chosen.class_ids.assign(class_ids.begin(), class_ids.end());
    return chosen;
  };
  if (validation != nullptr) {
    check_pairs(*validation, validation_name, training.pairs);
    plan.training = choose_all(training.ids);
    plan.validation = choose_all(known_class_ids(*validation, validation_name, plan.labels));
  } else {
    const Split split = split_validation(training.ids, validation_fraction, seed);
    plan.training = choose_rows(training.ids, split.training);
    plan.validation = choose_rows(training.ids, split.validation);
  }
  return plan;
}

Split split_validation(std::span<const std::int32_t> class_ids, double fraction,
                       std::uint64_t seed) {
  const auto largest = std::max_element(class_ids.begin(), class_ids.end());
  const std::size_t classes =
      largest == class_ids.end() ? 0 : static_cast<std::size_t>(*largest) + 1;
  std::vector<std::vector<std::size_t>> rows_of_class(classes);
  for (std::size_t row = 0; row < class_ids.size(); ++row) {
    rows_of_class[static_cast<std::size_t>(class_ids[row])].push_back(row);
  }
  std::vector<bool> in_validation(class_ids.size(), false);
  for (std::size_t id = 0; id < classes; ++id) {
    const std::vector<std::size_t>& rows = rows_of_class[id];
    if (rows.empty()) continue;
    const auto wanted =
        static_cast<std::size_t>(std::lround(fraction * static_cast<double>(rows.size())));
    const std::vector<std::size_t> order = permutation(rows.size(), seed, id);
    for (std::size_t i = 0; i < std::min(wanted, rows.size() - 1); ++i) {
      in_validation[rows[order[i]]] = true;
    }
  }
  Split split;
  for (std::size_t row = 0; row < class_ids.size(); ++row) {
    (in_validation[row] ? split.validation : split.training).push_back(row);
  }
  return split;
}

}  // namespace graft
