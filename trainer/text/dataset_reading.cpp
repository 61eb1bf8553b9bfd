// Faults, doubts and what is told of them.
#include "trainer/text/dataset_reading.h"

#include <array>
#include <cstdio>
#include <utility>

#include "trainer/text/row_doubts.h"
#include "trainer/text/text_normalization.h"

namespace graft {
namespace {

// Of a fault's sentence, the first and each further one.
constexpr std::size_t most_bytes_of_first = 1024, most_bytes_of_further = 240;

// What stands in one row of so many, or in more, is told as standing in many.
constexpr std::size_t rows_of_many = 100;

std::string code_point_name(char32_t point) {
  std::array<char, 16> name{};
  std::snprintf(name.data(), name.size(), "U+%04X", static_cast<unsigned>(point));
  return name.data();
}

}  // namespace

// ---- Faults and rows ---------------------------------------------------------------------------

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
  if (!faults_.empty()) return;
  const std::string_view pair = row.text_pair ? std::string_view(*row.text_pair) : "";
  const auto either = [&](bool (*is)(std::string_view)) { return is(row.text) || is(pair); };
  if (either(is_missing_word)) missing_texts_.add(row.line);
  if (either(has_html_entity)) entities_.add(row.line);
  if (either(has_html_tag)) tags_.add(row.line);
  if (either(has_damage) || has_damage(row.label)) damaged_.add(row.line);
  rows_.push_back(std::move(row));
}

void RowCollector::set_shape(const RowShape& shape) {
  form_ = shape.form;
  const std::string words = columns_in_words(shape);
  if (!words.empty() && !(shape.text == messages_shape.text && shape.label == messages_shape.label))
    note({"info", "Read: " + words + "."});
}

void RowCollector::add_fault(std::int64_t line, const RowFault& fault) {
  faults_.add(line, fault);
  rows_ = {};
}

void RowCollector::count_long_quotation(std::int64_t line, bool doubtful) {
  (doubtful ? doubtful_quotations_ : long_quotations_).add(line);
}

DataRows RowCollector::finish() {
  faults_.throw_if_any();
  if (rows_.empty()) fail(0, {"", std::string(no_rows)});
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
  tell("warn", discarded_,
       "Rows whose \"status\" is discarded, which are trained on all the same; remove them if "
       "it says that they are not to be used");
  tell("warn", missing_texts_,
       "Rows with a text that is a word for a missing value, such as nan or N/A, and nothing else");
  const auto tell_if_many = [&](const Tally& tally, const std::string& what) {
    if (static_cast<std::size_t>(tally.count) * rows_of_many >= rows_.size())
      tell("warn", tally, what + " in their texts, which are trained on as they stand");
  };
  tell_if_many(entities_, "Rows with HTML entities (such as &amp; or &#39;)");
  tell_if_many(tags_, "Rows with HTML tags (such as <br />)");
  tell("warn", damaged_,
       "Rows with characters that an earlier conversion damaged (such as U+FFFD or \u00C3\u00A9)");
  return {std::move(rows_), std::move(notes_), form_, fractions_.first_line};
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
    if (text[position] == '\0') return fault(position, "NUL, which no text has; remove it");
    const std::size_t begin = position;
    const char32_t code_point = next_code_point(text, position);
    const bool written_so = text.substr(begin).starts_with("\xEF\xBF\xBD");
    if (code_point == 0xFFFD && !written_so)
      return fault(begin, "not UTF-8; save the file as UTF-8");
  }
  return std::nullopt;
}

std::string quoted_label(std::string_view label) {
  constexpr std::size_t most_bytes = 64;
  const std::string_view start = cut_text(label, most_bytes);
  return "\"" + std::string(start) + (start.size() < label.size() ? "…\"" : "\"");
}

// One label, or a score as it is written.
std::optional<RowFault> check_label(std::string_view label, std::string_view member) {
  const auto fault = [member](const std::string& problem) {
    const std::string name(member);
    return RowFault{name, "\"" + name + "\" " + problem};
  };
  if (trim(label).empty()) return fault("is empty; every row needs a label");
  if (label.size() > max_label_bytes) {
    return fault("is a label of " + std::to_string(label.size()) +
                 " bytes; a label is the name of a class, at most " +
                 std::to_string(max_label_bytes) + " bytes long");
  }
  for (std::size_t position = 0; position < label.size();) {
    const char32_t point = next_code_point(label, position);
    if (point < 0x20 || point == 0x7F)
      return fault("holds the control character " + code_point_name(point) +
                   (point == U'\n' || point == U'\r' ? " (a line end)" : "") +
                   "; remove it, a label is one line of visible characters");
    if (is_invisible(point))
      return fault("holds the character " + code_point_name(point) + ", which is invisible" +
                   (changes_direction(point) ? " and changes the direction of writing" : "") +
                   "; remove it, or labels that look alike are different classes");
  }
  return std::nullopt;
}

std::optional<RowFault> join_labels(std::vector<std::string> labels, std::string_view member,
                                    std::string& joined) {
  const auto fault = [member](const std::string& problem) {
    const std::string name(member);
    return RowFault{name, "\"" + name + "\" " + problem};
  };
  for (const std::string& label : labels) {
    if (trim(label).empty()) return fault("holds an empty label; leave it out");
    const bool several = label.find_first_of(",'\"") != label.npos;
    if (label == "[]" || (several && label.starts_with('[') && label.ends_with(']')))
      return fault("holds " + quoted_label(label) +
                   ", the text of a list; JSONL has lists, CSV and TSV labels with ; between them");
    if (auto bad = check_label(label, member)) return bad;
  }
  std::sort(labels.begin(), labels.end());
  const auto twice = std::adjacent_find(labels.begin(), labels.end());
  if (twice != labels.end())
    return fault("holds the label " + quoted_label(*twice) +
                 " twice; each stands once in a row (for a vector of 0 and 1 write the names of "
                 "those that are 1)");
  const std::vector<std::string> bits = {"0", "1"}, truths = {"false", "true"};
  if (labels == bits || labels == truths)
    return fault("holds " + labels[0] + " and " + labels[1] +
                 ", as a vector of two does; write the names of those that are true");
  joined.clear();
  for (const std::string& label : labels) {
    if (!joined.empty()) joined += label_separator;
    joined += label;
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
  for (const auto& [member, text] :
       {std::pair(shape.text, std::string_view(row.text)),
        std::pair(shape.pair,
                  row.text_pair ? std::string_view(*row.text_pair) : std::string_view())})
    if (text.find('\0') != text.npos)
      return fault(member, "holds NUL (\\u0000), which no text has; remove it");
  if (shape.form != TargetForm::label_list) return check_label(row.label, shape.label);
  for (const std::string_view label : labels_of_set(row.label))
    if (auto bad = check_label(label, shape.label)) return bad;
  return std::nullopt;
}

}  // namespace graft
