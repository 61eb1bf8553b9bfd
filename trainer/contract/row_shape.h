// How the rows of a data file may look: the table of docs/data.md. The daemon reads it for its
// quick look at submission, the worker for the whole file, so that they agree on what a row is.
// Torch-free, no state: any thread may call.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/target_form.h"
#include "trainer/contract/task_kind.h"

namespace graft {

inline constexpr std::size_t most_row_levels = 64;  // of JSON

inline constexpr std::string_view no_rows = "the file has no rows; each needs a text and a label";

enum class DataFormat { jsonl, csv, tsv };

// By the name's suffix in any case (.jsonl .ndjson .json, .csv, .tsv), one of .gz passed over;
// nullopt: none of them.
std::optional<DataFormat> data_format_of(std::string_view file_name);

// Names of the members or columns that hold a row's text, pair and what is to be learned for it. An
// empty pair: one text a row.
struct RowShape {
  std::string text, pair, label;
  TargetForm form = TargetForm::label;
};

// The customer's own names of a file's members or columns; empty: those that are known.
struct Columns {
  std::string text, text_pair, label;  // no text_pair without text
  bool operator==(const Columns&) const = default;
};

// What a job says of the rows of its files.
struct RowWish {
  TaskKind kind = TaskKind::automatic;
  Columns columns;
};

// Between the labels of a list, which no label holds; rows travel with their lists so joined.
inline constexpr char label_separator = '\x1F';
std::vector<std::string_view> labels_of_set(std::string_view joined);

// Why a row is no good, without file and line.
struct RowFault {
  std::string member;  // or column; empty: the row as a whole
  std::string problem;
};

// OpenAI's {"messages": […]}, which JSONL alone has.
inline const RowShape messages_shape{"messages", "", "messages"};

inline constexpr std::string_view known_text_members =
    "\"text\" (or sentence, content, text_a and text_b, sentence1 and sentence2, premise and "
    "hypothesis, question1 and question2, question and sentence, prompt and completion), or say "
    "which it is with the job's columns.text";

// Tells whether a row has a member or column of that name, to be read.
using HasMember = std::function<bool(std::string_view)>;

// Whether the name may hold what is to be learned, where no columns are asked for.
bool may_be_target(std::string_view name);

// The columns that are asked for; where none are, the first known shape whose text and pair are
// there, and of the members that may hold what a kind learns (automatic: any kind) the first that
// is there; whether one is, is another question.
std::optional<RowShape> find_shape(const HasMember& has, const RowWish& wish);

// What a row lacks to have one of the shapes; empty: nothing.
std::string missing_member(const HasMember& has, const RowWish& wish);

// Members beside the one that was found that may be meant as well, so that nobody can know:
// "category" beside "target". Of a file with `label`, or with columns that are asked for, there are
// none.
std::vector<std::string_view> rivals_of(const RowShape& shape, const HasMember& has,
                                        const RowWish& wish);
std::string rivals_in_words(const RowShape& shape, std::span<const std::string_view> rivals);

// What people should be told was read where it is not plainly `text` and `label`; empty: it is.
std::string columns_in_words(const RowShape& shape);

// A column's name as a header means it: blanks off its ends, ASCII letters in lower case.
std::string column_name(std::string_view field);

// Blanks off both ends, for labels, column names and whether a text is empty: ASCII white space,
// every space and line end of Unicode (no-break, em, ideographic …), and what has no width
// (zero-width space and joiners, word joiner, byte order mark, soft hyphen, direction marks).
std::string_view trim(std::string_view text);

// The code point is invisible or changes the direction of what follows, and no script needs it
// within a word (the joiners U+200C and U+200D do stand within words).
bool is_invisible(char32_t code_point);

// One of them that changes the direction: U+202A to U+202E, U+2066 to U+2069, marks.
bool changes_direction(char32_t code_point);

// At most `bytes` of the text's start, whole characters.
std::string_view cut_text(std::string_view text, std::size_t bytes);

}  // namespace graft
