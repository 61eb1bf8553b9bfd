// Files to rows, rows to class ids, and the split. The readers are dataset_jsonl and dataset_csv.
#include "trainer/text/dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string_view>
#include <utility>

#include "trainer/contract/data_bytes.h"
#include "trainer/contract/seeded_random.h"
#include "trainer/text/dataset_reading.h"
#include "trainer/text/mapped_file.h"
#include "trainer/text/text_normalization.h"

namespace graft {
namespace {

// Of a fault's sentence, the first and each further one.
constexpr std::size_t most_bytes_of_first = 1024, most_bytes_of_further = 240;

std::string describe(const std::string& file_name, std::int64_t line, const std::string& problem) {
  const std::string place = line > 0 ? file_name + " line " + std::to_string(line) : file_name;
  return place + ": " + problem;
}

std::string code_point_name(char32_t point) {
  std::array<char, 16> name{};
  std::snprintf(name.data(), name.size(), "U+%04X", static_cast<unsigned>(point));
  return name.data();
}

void read_text(std::string_view text, const DataFile& file, RowCollector& rows) {
  DecodedData decoded;
  decode_data(text, max_decoded_bytes, false, decoded);
  if (!decoded.problem.empty()) rows.fail(0, {"", decoded.problem});
  for (std::string& note : decoded.notes) rows.note({"info", std::move(note)});
  text = decoded.text;
  const std::size_t offset = decoded.offset;
  if (text.empty()) rows.fail(0, {"", "the file is empty"});
  const std::optional<DataFormat> format = data_format_of(file.name);
  if (format == DataFormat::jsonl) {
    read_jsonl(text, offset, rows);
  } else if (format) {
    read_separated(text, offset, *format, rows);
  } else {
    rows.fail(0, {"", "the name tells no known format; it must end in .jsonl, .csv or .tsv"});
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
    if (class_of[own] < 0)
      faults.add(validation.lines[row],
                 {"label", "the label \"" + validation.labels[own] + "\" is on no training row"});
    ids.push_back(class_of[own]);
  }
  faults.throw_if_any();
  return ids;
}

void check_pairs(const LabelColumn& validation, const std::string& name, bool pairs) {
  if (validation.pairs == pairs) return;
  throw DataError(FileRole::validation, name, validation.lines.front(), "text_pair",
                  pairs ? "the row is no pair of texts, the training rows are"
                        : "the row is a pair of texts, the training rows are not");
}

}  // namespace

// ---- Errors and collecting ---------------------------------------------------------------------

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

void FaultList::add(std::int64_t line, const RowFault& fault) {
  if (count_ == 0) {
    first_line_ = line;
    first_member_ = fault.member;
    text_ = cut_text(fault.problem, most_bytes_of_first);
  } else if (count_ < static_cast<std::int64_t>(most_faults_told)) {
    const std::string_view problem = cut_text(fault.problem, most_bytes_of_further);
    text_ += "\nline " + std::to_string(line) + ": " + std::string(problem);
    if (problem.size() < fault.problem.size()) text_ += "…";
  }
  ++count_;
}

void FaultList::throw_if_any() const {
  if (count_ == 0) return;
  const auto more = count_ - static_cast<std::int64_t>(most_faults_told);
  const std::string rest = more <= 0 ? ""
                                     : "\n(and " + std::to_string(more) + " more bad " +
                                           (more == 1 ? "line)" : "lines)");
  throw DataError(role_, file_name_, first_line_, first_member_, text_ + rest);
}

RowCollector::RowCollector(FileRole role, std::string file_name)
    : role_(role), file_name_(std::move(file_name)), faults_(role_, file_name_) {}

void RowCollector::add(Row row) {
  if (faults_.empty()) rows_.push_back(std::move(row));
}

void RowCollector::add_fault(std::int64_t line, RowFault fault) {
  faults_.add(line, fault);
  rows_ = {};
}

void RowCollector::count_long_quotation(std::int64_t line, bool doubtful) {
  (doubtful ? doubtful_quotations_ : long_quotations_).add(line);
}

DataRows RowCollector::finish() {
  faults_.throw_if_any();
  if (rows_.empty()) fail(0, {"", "the file has no rows"});
  const auto tell = [&](const char* level, const Tally& tally, const std::string& what) {
    if (tally.count == 0) return;
    const std::string first = ", the first in line " + std::to_string(tally.first_line);
    note({level, what + ": " + std::to_string(tally.count) + first + "."});
  };
  tell("info", trimmed_labels_, "Labels from whose ends blanks were removed");
  tell("info", long_quotations_, "Rows with a quoted field of several lines");
  tell(
      "warn", doubtful_quotations_,
      "Rows read as one though each of their lines looks like a row, for a quotation runs over the "
      "line ends; if the quotes are part of the texts, write them twice and quote the whole field");
  return {std::move(rows_), std::move(notes_)};
}

void RowCollector::fail(std::int64_t line, const RowFault& fault) const {
  throw DataError(role_, file_name_, line, fault.member, fault.problem);
}

// ---- Checks of a row ---------------------------------------------------------------------------

std::optional<RowFault> find_bad_bytes(std::string_view text, std::size_t offset_in_file) {
  const auto fault = [&](std::size_t position, const std::string& what) {
    return RowFault{"", "byte " + std::to_string(position + 1) + " of the line (byte " +
                            std::to_string(offset_in_file + position + 1) + " of the file) is " +
                            what};
  };
  for (std::size_t position = 0; position < text.size();) {
    if (text[position] == '\0') return fault(position, "NUL, which no text has");
    const std::size_t begin = position;
    const char32_t code_point = next_code_point(text, position);
    const bool written_so = text.substr(begin).starts_with("\xEF\xBF\xBD");
    if (code_point == 0xFFFD && !written_so)
      return fault(begin, "not UTF-8; save the file as UTF-8");
  }
  return std::nullopt;
}

std::optional<RowFault> check_row(const Row& row, const RowShape& shape) {
  const auto fault = [](std::string_view member, const std::string& problem) {
    const std::string name(member);
    return RowFault{name, "\"" + name + "\" " + problem};
  };
  if (trim(row.text).empty()) return fault(shape.text, "is empty; every row needs a text");
  if (row.text_pair && trim(*row.text_pair).empty()) {
    return fault(shape.pair, "is empty; every row needs both texts");
  }
  if (trim(row.label).empty()) return fault(shape.label, "is empty; every row needs a label");
  if (row.label.size() > max_label_bytes) {
    return fault(shape.label, "is a label of " + std::to_string(row.label.size()) +
                                  " bytes; a label is the name of a class, at most " +
                                  std::to_string(max_label_bytes) + " bytes long");
  }
  for (const auto& [member, text] :
       {std::pair(shape.text, std::string_view(row.text)),
        std::pair(shape.pair,
                  row.text_pair ? std::string_view(*row.text_pair) : std::string_view())})
    if (text.find('\0') != text.npos)
      return fault(member, "holds NUL (\\u0000), which no text has");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::any_of(row.label.begin(), row.label.end(), is_control)) {
    return fault(shape.label, "is a label with a line end or another control character");
  }
  for (std::size_t position = 0; position < row.label.size();) {
    const char32_t point = next_code_point(row.label, position);
    if (is_invisible(point))
      return fault(shape.label, "is a label with the invisible character " +
                                    code_point_name(point) +
                                    "; remove it, or labels that look alike are different classes");
  }
  return std::nullopt;
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
    if (mapped.size() == 0) rows.fail(0, {"", "the file is empty"});
    read_text(mapped.text(), file, rows);
  } catch (const MappedFileError& error) {
    throw DataError(role, file.name, 0, "",
                    std::string("the stored file is gone: ") + error.what());
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
