// JSON Lines: {"text", "label"} and its relatives, and OpenAI's {"messages"}. The first row decides
// the shape, every other row must have it. Members beyond the shape are ignored.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "trainer/contract/json_row.h"
#include "trainer/text/dataset_reading.h"
#include "trainer/text/row_doubts.h"

namespace graft {
namespace {

using Json = nlohmann::json;

std::string in_quotes(std::string_view name) {
  return "\"" + std::string(name) + "\"";
}

std::optional<RowFault> read_text(const Json& object, std::string_view name, std::string& text) {
  const Json* value = find_member(object, name);
  if (value == nullptr) return absent_member(object, name, "every row needs it, as the first has");
  if (!value->is_string()) {
    return RowFault{std::string(name), "member " + in_quotes(name) + " is not a string but " +
                                           kind_of(*value) + "; put the text in quotes"};
  }
  text = value->get_ref<const std::string&>();
  return std::nullopt;
}

bool is_integer(std::string_view number) {
  return number.find_first_not_of("-0123456789") == number.npos;
}

std::optional<RowFault> read_label(const JsonRow& row, std::string_view name, std::string& label) {
  const Json* value = find_member(row.object, name);
  const auto fault = [&](const std::string& problem) {
    return RowFault{std::string(name), "member " + in_quotes(name) + problem};
  };
  if (value == nullptr) return absent_member(row.object, name, "every row needs a label");
  if (value->is_string()) {
    label = value->get_ref<const std::string&>();
  } else if (value->is_number_integer() || value->is_boolean()) {
    label = value->dump();
  } else if (value->is_number_float()) {
    const std::string& written = row.long_numbers.at(std::string(name));
    if (!is_integer(written)) {
      const std::string start(cut_text(written, 64));
      return fault(" is the fractional number " + start +
                   "; labels are strings or integers, each the name of a class: write an integer, "
                   "or the number in quotes");
    }
    label = written;
  } else {
    return fault(" is " + kind_of(*value) + "; labels are strings or integers, one a row" +
                 (value->is_array() ? " (task_kind \"multi_label\" learns lists)" : ""));
  }
  return std::nullopt;
}

// Any number, or one in quotes; what is none is said by the kind that learns it.
std::optional<RowFault> read_score(const JsonRow& row, std::string_view name, std::string& score) {
  const Json* value = find_member(row.object, name);
  const auto fault = [&](const std::string& problem) {
    return RowFault{std::string(name), "member " + in_quotes(name) + problem};
  };
  if (value == nullptr) return absent_member(row.object, name, "every row needs a score");
  if (value->is_string()) {
    score = trim(value->get_ref<const std::string&>());
  } else if (value->is_number_float()) {
    score = row.long_numbers.at(std::string(name));
  } else if (value->is_number()) {
    score = value->dump();
  } else {
    return fault(" is " + kind_of(*value) + "; a score is a number");
  }
  return std::nullopt;
}

// The elements of a list, or one label alone; checked here, since joined they hold a separator.
std::optional<RowFault> read_labels(const JsonRow& row, std::string_view name,
                                    std::string& joined) {
  const Json* value = find_member(row.object, name);
  const auto fault = [&](const std::string& problem) {
    return RowFault{std::string(name), "member " + in_quotes(name) + problem};
  };
  if (value == nullptr)
    return absent_member(row.object, name, "every row needs a list of labels, which may be empty");
  if (!value->is_array() && name == "labels")
    return fault(
        " is " + kind_of(*value) +
        ", not a list; write a list, which may be empty, or name it \"label\" where each row "
        "has one");
  std::vector<std::string> labels;
  const std::span<const Json> elements =
      value->is_array() ? std::span<const Json>(*value->get_ptr<const Json::array_t*>())
                        : std::span<const Json>(value, 1);
  for (const Json& element : elements) {
    if (element.is_string())
      labels.emplace_back(trim(element.get_ref<const std::string&>()));
    else if (element.is_number_integer() || element.is_boolean())
      labels.push_back(element.dump());
    else
      return fault(" holds " + kind_of(element) +
                   "; it is a list of labels, which are strings or integers, and may be empty");
  }
  return join_labels(std::move(labels), name, joined);
}

// ---- OpenAI's messages -------------------------------------------------------------------------

// A message's content: a string, or a list of parts of type "text".
std::optional<RowFault> read_content(const Json& message, std::string& content) {
  const RowFault fault{"messages",
                       "a message has no text; each needs a \"role\" and a \"content\" of text"};
  const Json* value = message.is_object() ? find_member(message, "content") : nullptr;
  if (value == nullptr) return fault;
  if (value->is_string()) {
    content = value->get_ref<const std::string&>();
    return std::nullopt;
  }
  if (!value->is_array()) return fault;
  for (const Json& part : *value) {
    const Json* text = part.is_object() ? find_member(part, "text") : nullptr;
    if (text == nullptr || !text->is_string()) return fault;
    content += text->get_ref<const std::string&>();
  }
  return std::nullopt;
}

class MessagesReader {
 public:
  // Text: the user's messages, a line each. Label: the last message, the assistant's. The system
  // message is the same for every row and so tells nothing: it is left out.
  std::optional<RowFault> read(const Json& object, Row& row) {
    const Json* messages = find_member(object, "messages");
    if (messages == nullptr || !messages->is_array() || messages->empty()) {
      return RowFault{"messages",
                      "member \"messages\" is not a list of messages; each row needs one, the "
                      "user's and the assistant's in it"};
    }
    std::string role, content, system;
    for (const Json& message : *messages) {
      content.clear();
      if (auto fault = read_content(message, content)) return fault;
      const Json* role_value = find_member(message, "role");
      role = role_value != nullptr && role_value->is_string() ? role_value->get<std::string>() : "";
      if (role == "user") {
        if (!row.text.empty()) row.text += '\n';
        row.text += content;
      } else if (role == "system" || role == "developer") {
        system += content;
      } else if (role != "assistant") {
        return RowFault{"messages", "the role " + in_quotes(role) +
                                        " is not one of system, developer, user, assistant; remove "
                                        "the message or the row"};
      }
    }
    if (role != "assistant") {
      return RowFault{"messages",
                      "the last message is not the assistant's; its content is the row's label"};
    }
    if (const Json* weight = find_member(messages->back(), "weight");
        weight != nullptr && *weight == 0)
      return rejected_row("weight", "0");  // as OpenAI marks answers that are not to be learnt
    row.label = content;
    return check_system(system, row.line);
  }

 private:
  std::optional<RowFault> check_system(const std::string& system, std::int64_t line) {
    if (first_line_ == 0) {
      system_ = system;
      first_line_ = line;
    }
    if (system == system_) return std::nullopt;
    return RowFault{"messages", "the system message differs from that of line " +
                                    std::to_string(first_line_) +
                                    "; move what differs into the user's message"};
  }

  std::string system_;
  std::int64_t first_line_ = 0;
};

// ---- Rows --------------------------------------------------------------------------------------

class JsonlReader {
 public:
  explicit JsonlReader(const RowWish& wish) : wish_(wish) {}

  std::optional<RowFault> read(std::string_view line, Row& row) {
    auto read = read_json_row(line);
    if (auto* fault = std::get_if<RowFault>(&read)) return std::move(*fault);
    const auto& json = std::get<JsonRow>(read);
    const Json& object = json.object;
    if (!shape_) {
      if (auto fault = choose_shape(object)) return fault;
    }
    if (auto fault = check_names(object)) return fault;
    if (auto fault = check_marks(object)) return fault;
    if (auto fault = read_members(json, row)) return fault;
    const std::string_view label = trim(row.label);
    if (label.size() < row.label.size()) {
      trimmed = true;
      row.label = std::string(label);
    }
    return check_row(row, *shape_);
  }

  // Of the row that was read last.
  bool trimmed = false;    // blanks were removed from its label
  bool discarded = false;  // a member may say that it is not to be used
  bool fraction = false;   // its label is a fractional number

  RowShape shape() const { return shape_.value_or(RowShape()); }

 private:
  // `Label` beside `label`: which is meant?
  std::optional<RowFault> check_names(const Json& object) const {
    for (const auto& [name, value] : object.items())
      for (const std::string_view meant :
           {std::string_view(shape_->text), std::string_view(shape_->pair),
            std::string_view(shape_->label)})
        if (name != meant && !meant.empty() && column_name(name) == meant &&
            find_member(object, meant) != nullptr)
          return RowFault{std::string(meant), "members " + in_quotes(meant) + " and " +
                                                  in_quotes(name) +
                                                  " differ by case or blanks only; remove one"};
    return std::nullopt;
  }

  std::optional<RowFault> choose_shape(const Json& object) {
    const auto has = [&](std::string_view name) { return find_member(object, name) != nullptr; };
    const bool messages = has("messages") && wish_.columns == Columns();
    shape_ = messages ? messages_shape : find_shape(members_of(object), wish_);
    is_chat_ = messages;
    if (!shape_) return no_text_member(object);
    const auto rivals = messages ? std::vector<std::string_view>() : rivals_of(*shape_, has, wish_);
    if (!rivals.empty())
      return RowFault{shape_->label, "members " + rivals_in_words(*shape_, rivals)};
    return std::nullopt;
  }

  std::optional<RowFault> check_marks(const Json& object) {
    for (const auto& [name, value] : object.items()) {
      if (!value.is_string() && !value.is_boolean()) continue;
      if (name == wish_.columns.text || name == wish_.columns.label) continue;
      const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      const RowMark mark = mark_of(name, text);
      if (mark == RowMark::rejected) return rejected_row(name, text);
      if (mark == RowMark::perhaps_discarded) discarded = true;
    }
    return std::nullopt;
  }

  std::optional<RowFault> read_members(const JsonRow& json, Row& row) {
    const Json& object = json.object;
    if (is_chat_) return messages_.read(object, row);
    if (auto fault = read_text(object, shape_->text, row.text)) return fault;
    if (!shape_->pair.empty()) {
      if (auto fault = read_text(object, shape_->pair, row.text_pair.emplace())) return fault;
    } else if (const auto other = find_shape(
                   [&](std::string_view name) { return find_member(object, name) != nullptr; },
                   wish_);
               other && !other->pair.empty()) {
      return RowFault{std::string(other->pair), "member " + in_quotes(other->pair) +
                                                    " makes this row a pair, the first row is none;"
                                                    " either all rows are pairs or none"};
    }
    switch (shape_->form) {
      case TargetForm::label:
        break;
      case TargetForm::label_list:
        return read_labels(json, shape_->label, row.label);
      case TargetForm::score:
        return read_score(json, shape_->label, row.label);
    }
    const Json* label = find_member(object, shape_->label);
    // Where any kind is meant, fractions are scores if all rows have numbers.
    if (wish_.kind == TaskKind::automatic && label != nullptr && label->is_number_float() &&
        !is_integer(json.long_numbers.at(shape_->label))) {
      fraction = true;
      return read_score(json, shape_->label, row.label);
    }
    return read_label(json, shape_->label, row.label);
  }

  const RowWish& wish_;
  std::optional<RowShape> shape_;
  bool is_chat_ = false;
  MessagesReader messages_;
};

}  // namespace

void read_jsonl(std::string_view text, std::size_t file_offset, const RowWish& wish,
                RowCollector& rows) {
  if (auto array = array_over_file(text, rows.file_name())) rows.fail(0, {"", *std::move(array)});
  JsonlReader reader(wish);
  std::int64_t line_number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    ++line_number;
    const std::size_t newline = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, newline - begin);
    const std::size_t offset = file_offset + begin;
    begin = newline + 1;
    if (line.size() > max_line_bytes) {
      rows.add_fault(line_number, {"", std::string(line_too_long)});
      continue;
    }
    if (trim(line).empty()) continue;
    Row row;
    row.line = line_number;
    std::optional<RowFault> fault = find_bad_bytes(line, offset);
    reader.trimmed = reader.discarded = reader.fraction = false;
    if (!fault) fault = reader.read(line, row);
    if (reader.trimmed) rows.count_trimmed_label(line_number);
    if (reader.discarded) rows.count_discarded(line_number);
    if (reader.fraction) rows.count_fraction(line_number);
    if (fault) {
      rows.add_fault(line_number, *fault);
    } else {
      rows.add(std::move(row));
    }
  }
  rows.set_shape(reader.shape());
}

}  // namespace graft
