// What must hold of every data file, whatever its format. Private to the targets of the formats.
#pragma once

#include "services/http/message.h"
#include "services/http/router.h"
#include "services/wire/file_shape.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"
#include "trainer/text/dataset.h"

namespace graft::fuzz {

inline void read_data_file(std::string_view input, const std::string& name, const RowWish& wish) {
  const MemoryFile file(input);
  std::string refusal;  // of the quick look
  try {
    check_file_shape(file.path(), name, "training_file", wish);
  } catch (const HttpError& error) {
    hold(error.status == 400, "status " + std::to_string(error.status));
    hold(is_utf8(error.what()), "a refusal is UTF-8");
    refusal = error.what();
  }
  try {
    const DataRows data = read_data({file.path(), name, ""}, FileRole::training, wish);
    const std::vector<Row>& rows = data.rows;
    hold(refusal.empty(), "the quick look refuses what the worker takes: " + refusal);
    hold(!rows.empty(), "a file has rows");
    for (const Row& row : rows) {
      hold(is_utf8(row.text) && is_utf8(row.label), "rows are UTF-8");
      const bool list = data.form == TargetForm::label_list;
      const auto labels =
          list ? labels_of_set(row.label) : std::vector<std::string_view>{row.label};
      for (const std::string_view label : labels)
        hold(label.size() <= max_label_bytes && !label.empty(), "labels have a length");
      hold(row.line > 0, "rows have a line");
      hold(row.text_pair.has_value() == rows.front().text_pair.has_value(), "pairs in all or none");
    }
    const LabelColumn column = label_column(data);
    hold(column.ids.size() == rows.size(), "a label a row");
  } catch (const DataError& error) {
    hold(is_utf8(error.what()), "a refusal is UTF-8");
  }
}

inline void read_data_file(std::string_view input, const std::string& name) {
  for (const TaskKind kind :
       {TaskKind::automatic, TaskKind::classification, TaskKind::multi_label, TaskKind::regression})
    read_data_file(input, name, RowWish{kind, {}});
  read_data_file(input, name, RowWish{TaskKind::automatic, {"text", "", "topic"}});
}

}  // namespace graft::fuzz
