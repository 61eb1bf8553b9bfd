// See the header.
#include "trainer/text/data_findings.h"

#include <unicode/normalizer2.h>
#include <unicode/uspoof.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "trainer/contract/row_shape.h"
#include "trainer/text/dataset_reading.h"
#include "trainer/text/row_doubts.h"

namespace graft {
namespace {

constexpr std::size_t most_named = 5;  // labels or groups in a sentence

std::string rows_of(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " row" : " rows");
}

// ---- Texts ---------------------------------------------------------------------------------

struct Seen {
  std::size_t rows = 0;  // that are not the first of their text
  std::int64_t line = 0;

  void add(std::int64_t at) { line = rows++ == 0 ? at : std::min(line, at); }
};

void tell(std::vector<DataNote>& notes, const std::string& name, const Seen& seen,
          const std::string& what) {
  if (seen.rows == 0) return;
  notes.push_back({"warn", name + ": " + what + ": " + std::to_string(seen.rows) +
                               ", the first in line " + std::to_string(seen.line) + "."});
}

// Row numbers, rows of one text next to each other, in the order of the file among them.
std::vector<std::uint32_t> by_text(const TokenizedFile& file) {
  std::vector<std::uint32_t> order(file.rows());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return file.text_hashes[a] < file.text_hashes[b];
  });
  return order;
}

void find_repeated(const TokenizedFile& file, const std::string& name,
                   std::vector<DataNote>& notes) {
  const auto order = by_text(file);
  Seen twice, contradicting;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const auto hash = file.text_hashes[order[begin]];
    std::vector<std::int32_t> labels;
    for (end = begin; end < order.size() && file.text_hashes[order[end]] == hash; ++end) {
      const std::int32_t label = file.labels.ids[order[end]];
      const auto place = std::lower_bound(labels.begin(), labels.end(), label);
      const bool known = place != labels.end() && *place == label;
      if (known) twice.add(file.labels.lines[order[end]]);
      if (!known && !labels.empty()) contradicting.add(file.labels.lines[order[end]]);
      if (!known) labels.insert(place, label);
    }
  }
  tell(notes, name, twice, "Rows that repeat an earlier row, text and label");
  tell(notes, name, contradicting, "Rows that have the text of an earlier row under another label");
}

void find_shared(const TokenizedFile& training, const TokenizedFile& validation,
                 const std::string& validation_name, const std::string& training_name,
                 std::vector<DataNote>& notes) {
  std::vector<std::uint64_t> known(training.text_hashes.begin(), training.text_hashes.end());
  std::sort(known.begin(), known.end());
  Seen shared;
  for (std::size_t row = 0; row < validation.rows(); ++row)
    if (std::binary_search(known.begin(), known.end(), validation.text_hashes[row]))
      shared.add(validation.labels.lines[row]);
  tell(notes, validation_name, shared,
       "Rows whose text stands in " + training_name +
           " too, so that validation numbers are better than they should be");
}

// Special tokens alone: nothing of the text is known to the tokenizer.
void find_wordless(const TokenizedFile& file, const std::string& name,
                   std::vector<DataNote>& notes) {
  const std::int64_t special = file.labels.pairs ? 3 : 2;
  Seen wordless;
  for (std::size_t row = 0; row < file.rows(); ++row)
    if (file.tokens.offsets[row + 1] - file.tokens.offsets[row] <= special)
      wordless.add(file.labels.lines[row]);
  tell(notes, name, wordless, "Rows with a text of which no token is left");
}

// ---- Labels ----------------------------------------------------------------------------------

// What a reader sees of a label: one form of Unicode, no case, single blanks, one of each of the
// characters that look the same.
class Looks {
 public:
  Looks()
      : form_(icu::Normalizer2::getNFKCCasefoldInstance(error_)), spoof_(uspoof_open(&error_)) {}
  ~Looks() { uspoof_close(spoof_); }
  Looks(const Looks&) = delete;
  Looks& operator=(const Looks&) = delete;

  std::string of(const std::string& label) {
    if (U_FAILURE(error_)) return label;
    UErrorCode error = U_ZERO_ERROR;
    icu::UnicodeString text = form_->normalize(icu::UnicodeString::fromUTF8(label), error);
    icu::UnicodeString skeleton;
    uspoof_getSkeletonUnicodeString(spoof_, 0, text, skeleton, &error);
    if (U_FAILURE(error)) return label;
    text.remove();
    for (int32_t i = 0; i < skeleton.length(); i = skeleton.moveIndex32(i, 1)) {
      const UChar32 c = skeleton.char32At(i);
      const bool blank = u_isUWhiteSpace(c) != 0;
      if (!blank || (text.length() > 0 && text[text.length() - 1] != u' '))
        text.append(blank ? UChar32{' '} : c);
    }
    std::string result;
    text.toUTF8String(result);
    return result;
  }

 private:
  UErrorCode error_ = U_ZERO_ERROR;
  const icu::Normalizer2* form_;
  USpoofChecker* spoof_;
};

std::string list_labels(const LabelColumn& column, const std::vector<std::size_t>& ids,
                        const std::vector<std::size_t>& counts) {
  std::string list;
  for (std::size_t i = 0; i < std::min(ids.size(), most_named); ++i)
    list += (i > 0 ? ", " : "") + quoted_label(column.labels[ids[i]]) + " (" +
            rows_of(counts[ids[i]]) + ")";
  return list + (ids.size() > most_named ? ", …" : "");
}

// Labels by what they have in common; `what` they do: "look alike".
using Groups = std::map<std::string, std::vector<std::size_t>>;

void tell_groups(const Groups& groups, const std::string& what, const LabelColumn& column,
                 const std::vector<std::size_t>& counts, const std::string& name,
                 std::vector<DataNote>& notes) {
  std::size_t found = 0;
  for (const auto& [common, ids] : groups) {
    if (ids.size() < 2 || ++found > most_named) continue;
    const std::string count = ids.size() == 2 ? "two" : std::to_string(ids.size());
    notes.push_back({"warn", name + ": " + count + " labels " + what + ": " +
                                 list_labels(column, ids, counts) +
                                 "; they are kept as classes of their own."});
  }
  if (found > most_named)
    notes.push_back({"warn", name + ": there are " + std::to_string(found - most_named) +
                                 " more groups of labels that " + what + "."});
}

void find_alike(const LabelColumn& column, const std::vector<std::size_t>& counts,
                const std::string& name, std::vector<DataNote>& notes) {
  Looks looks;
  Groups alike, numbers;
  for (std::size_t id = 0; id < column.labels.size(); ++id) {
    alike[looks.of(column.labels[id])].push_back(id);
    if (const auto number = number_of(column.labels[id])) numbers[*number].push_back(id);
  }
  tell_groups(alike, "look alike", column, counts, name, notes);
  tell_groups(numbers, "are the same number", column, counts, name, notes);
}

// Which may be meant as numbers.
void find_decimals(const LabelColumn& column, const std::string& name,
                   std::vector<DataNote>& notes) {
  bool fraction = false;
  for (const std::string& label : column.labels) {
    const auto number = number_of(label);
    if (!number) return;
    fraction |= number->find('.') != std::string::npos;
  }
  if (fraction)
    notes.push_back({"warn", name +
                                 ": all labels are numbers, and not all of them whole; each is a "
                                 "class of its own. task_kind \"regression\" learns them as "
                                 "numbers."});
}

void find_missing_words(const LabelColumn& column, const std::vector<std::size_t>& counts,
                        const std::string& name, std::vector<DataNote>& notes) {
  std::vector<std::size_t> words;
  std::size_t rows = 0;
  for (std::size_t id = 0; id < column.labels.size(); ++id) {
    if (!is_missing_word(column.labels[id])) continue;
    words.push_back(id);
    rows += counts[id];
  }
  if (words.empty()) return;
  notes.push_back({"warn", name + ": " + rows_of(rows) + (rows == 1 ? " has" : " have") +
                               " a label that is a word for a missing value: " +
                               list_labels(column, words, counts) +
                               "; such words are classes like any other, so remove these rows if "
                               "they have no label."});
}

std::vector<std::size_t> counts_of(std::span<const std::int32_t> ids, std::size_t classes) {
  std::vector<std::size_t> counts(classes);
  for (const std::int32_t id : ids) ++counts[static_cast<std::size_t>(id)];
  return counts;
}

// Of lists the single labels, an id for each time that one stands in a row.
LabelColumn labels_of(const LabelColumn& column) {
  if (column.form != TargetForm::label_list) return column;
  std::map<std::string_view, std::vector<std::size_t>> sets;  // by label
  for (std::size_t set = 0; set < column.labels.size(); ++set)
    for (const std::string_view label : labels_of_set(column.labels[set]))
      sets[label].push_back(set);
  const auto rows = counts_of(column.ids, column.labels.size());
  LabelColumn single;
  for (const auto& [label, of_sets] : sets) {
    std::size_t count = 0;
    for (const std::size_t set : of_sets) count += rows[set];
    single.ids.insert(single.ids.end(), count, static_cast<std::int32_t>(single.labels.size()));
    single.labels.emplace_back(label);
  }
  return single;
}

void take_notes(const TokenizedFile& file, const std::string& name, std::vector<DataNote>& notes) {
  for (const DataNote& note : file.notes) notes.push_back({note.level, name + ": " + note.message});
}

}  // namespace

std::vector<DataNote> find_in_data(const TokenizedFile& training, const std::string& training_name,
                                   const TokenizedFile* validation,
                                   const std::string& validation_name, bool names_classes) {
  std::vector<DataNote> notes;
  take_notes(training, training_name, notes);
  find_repeated(training, training_name, notes);
  find_wordless(training, training_name, notes);
  if (validation != nullptr) {
    take_notes(*validation, validation_name, notes);
    find_repeated(*validation, validation_name, notes);
    find_wordless(*validation, validation_name, notes);
    find_shared(training, *validation, validation_name, training_name, notes);
  }
  if (!names_classes) return notes;
  const LabelColumn single = labels_of(training.labels);
  const auto counts = counts_of(single.ids, single.labels.size());
  find_missing_words(single, counts, training_name, notes);
  find_decimals(single, training_name, notes);
  find_alike(single, counts, training_name, notes);
  return notes;
}

}  // namespace graft
