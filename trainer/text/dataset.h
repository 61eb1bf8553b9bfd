// Customers' labelled text: files of JSONL, CSV or TSV into checked rows, and a split.
// Every fault of a file is a DataError that names file, line, member and the way out; docs of the
// accepted shapes stand in docs/data.md. Free of LibTorch and ICU; no state: any thread may call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "trainer/contract/order.h"
#include "trainer/contract/separated.h"

namespace graft {

inline constexpr std::size_t max_label_bytes = 256;
inline constexpr std::size_t max_classes = 4096;

enum class FileRole { training, validation };

inline constexpr std::size_t most_faults_told = 20;

// what() is for the customer: `train.jsonl line 17: member "label" is missing; every row needs a
// label`, further faults a line each below it, most_faults_told in all, and how many more.
class DataError : public std::runtime_error {
 public:
  // line 0: the file as a whole; member empty: none.
  DataError(FileRole role, const std::string& file_name, std::int64_t line, std::string member,
            const std::string& problem);

  std::string code() const;   // invalid_training_file | invalid_validation_file
  std::string param() const;  // training_file | validation_file
  FileRole role;
  std::int64_t line;   // 1-based; 0: the file as a whole
  std::string member;  // member or column at fault; empty: none
};

struct Row {
  std::string text;
  std::optional<std::string> text_pair;  // of all rows of a file or of none
  // Integers in decimal, booleans as true and false, scores as they are written; of a list the
  // different labels by their order, joined (labels_of_set).
  std::string label;
  std::int64_t line = 0;  // where the row began
};

// What a customer should know of a file that was read: the message begins with a capital letter and
// does not name the file.
struct DataNote {
  std::string level;  // info | warn
  std::string message;
};

struct DataRows {
  std::vector<Row> rows;
  std::vector<DataNote> notes;
  TargetForm form = TargetForm::label;
  std::int64_t fraction_line = 0;  // the first with a fractional number for a label; 0: none
};

// Rows in file order. The suffix of file.name picks the format (.jsonl .ndjson .json .csv .tsv).
// Memory: the rows, not the file. Throws DataError; a file that cannot be opened is one, too.
// wish: which members hold the text and what is to be learned.
DataRows read_data(const DataFile& file, FileRole role, const RowWish& wish = {});
std::vector<Row> read_rows(const DataFile& file, FileRole role,
                           const RowWish& wish = {});  // the rows alone

// What is to be learned of a file's rows, apart from their texts.
struct LabelColumn {
  std::vector<std::string> labels;  // as rows have them; sorted by bytes, each once
  std::vector<std::int32_t> ids;    // (rows) index into labels
  std::vector<std::int64_t> lines;  // (rows) where each began
  bool pairs = false;               // the rows have a text_pair
  TargetForm form = TargetForm::label;
  std::int64_t fraction_line = 0;  // as of DataRows
};
LabelColumn label_column(const DataRows& data);

// Indices into class_ids, ascending, each index in exactly one list.
struct Split {
  std::vector<std::size_t> training;
  std::vector<std::size_t> validation;
};

// Stratified: of each class round(fraction * its rows) rows, drawn by seed, go to validation, but
// at least one row of each class stays in training. Same arguments, same split, on any machine.
// fraction in [0, 1).
Split split_validation(std::span<const std::int32_t> class_ids, double fraction,
                       std::uint64_t seed);

}  // namespace graft
