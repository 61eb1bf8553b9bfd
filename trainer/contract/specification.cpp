// The table of hyperparameters and what is read from it; see the header.
#include "trainer/contract/specification.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "trainer/contract/members_json.h"
#include "trainer/contract/names.h"
#include "trainer/contract/specification_members.h"

namespace graft {
namespace {

constexpr std::array<std::string_view, 3> method_names{"houlsby", "pfeiffer", "head"};
constexpr std::array<std::string_view, 5> activation_names{"swish", "relu", "gelu", "gelu_new",
                                                           "tanh"};

using Place = Hyperparameter::Place;
using S = Specification;

// Files list them in this order; hashes of orders stand on it, so new ones go to the end.
constexpr std::array table{
    Hyperparameter{.name = "method",
                   .place = Place::adapter,
                   .member = &S::method,
                   .doc = "Houlsby's or Pfeiffer's adapters, or the head alone on the backbone as "
                          "it is (a linear probe), with which no other member is given"},
    Hyperparameter{.name = "size",
                   .place = Place::adapter,
                   .member = &S::size,
                   .range = {1, 1024},
                   .doc = "Bottleneck width",
                   .at_most = &BackboneSummary::hidden_size,
                   .values = "1 to 1024, at most the backbone's hidden size"},
    Hyperparameter{.name = "leave_out",
                   .place = Place::adapter,
                   .member = &S::leave_out,
                   .doc = "Layers without adapters, AdapterHub's word for it, instead of layers",
                   .values = "numbers from 0 (lowest), not all layers",
                   .default_words = "none"},
    Hyperparameter{.name = "activation",
                   .place = Place::adapter,
                   .member = &S::activation,
                   .doc = "Non-linearity of the bottleneck"},
    Hyperparameter{.name = "init_std",
                   .place = Place::adapter,
                   .member = &S::init_std,
                   .range = {1e-6, 1},
                   .doc = "Standard deviation of new adapter weights"},
    Hyperparameter{.name = "train_layer_norm",
                   .place = Place::adapter,
                   .member = &S::train_layer_norm,
                   .doc = "The paper's variant, for which AdapterHub's format has no place"},
    Hyperparameter{.name = "learning_rate",
                   .place = Place::body,
                   .member = &S::learning_rate,
                   .range = {1e-8, 1},
                   .doc = "Absolute, not together with learning_rate_multiplier; of method head "
                          "0.003 by default"},
    Hyperparameter{.name = "batch_size",
                   .place = Place::hyperparameters,
                   .member = &S::batch_size,
                   .range = {1, 256},
                   .doc = "Rows of a step"},
    Hyperparameter{.name = "n_epochs",
                   .place = Place::hyperparameters,
                   .member = &S::n_epochs,
                   .range = {1, 50},
                   .doc = "Passes over the training rows"},
    Hyperparameter{.name = "max_length",
                   .place = Place::body,
                   .member = &S::max_length,
                   .range = {8, 65536},
                   .doc = "Tokens of a row, special tokens included",
                   .at_most = &BackboneSummary::max_positions,
                   .values = "8 to the backbone's positions"},
    Hyperparameter{.name = "warmup_ratio",
                   .place = Place::body,
                   .member = &S::warmup_ratio,
                   .range = {1e-6, 0.5, true},
                   .doc = "Share of the steps in which the learning rate rises"},
    Hyperparameter{.name = "weight_decay",
                   .place = Place::body,
                   .member = &S::weight_decay,
                   .range = {1e-8, 1, true},
                   .doc = "AdamW's, of all but biases and layer norms"},
    Hyperparameter{.name = "validation_fraction",
                   .place = Place::body,
                   .member = &S::validation_fraction,
                   .range = {1e-4, 0.5, true},
                   .doc = "Of the training rows, where no validation file is given",
                   .of_data = true},
    Hyperparameter{
        .name = "seed",
        .place = Place::contract,
        .member = &S::seed,
        .range = {0, 2147483647},
        .doc = "Of new weights, the order of rows, dropout and the rows held back for validation",
        .default_words = "drawn"},
    Hyperparameter{.name = "gradient_clip",
                   .place = Place::body,
                   .member = &S::gradient_clip,
                   .range = {1e-3, 1e3},
                   .doc = "Largest norm of a step's gradient, which is scaled down to it",
                   .later = true},
    Hyperparameter{.name = "task_kind",
                   .place = Place::body,
                   .member = &S::task_kind,
                   .doc = "What is learned: one label a row, a set of labels, or a number; auto "
                          "goes by the columns of the data",
                   .later = true},
    Hyperparameter{.name = "columns",
                   .place = Place::body,
                   .member = &S::columns,
                   .doc = "The files' own names of the members or columns to read",
                   .values = "text, text_pair and label, each a name or left out",
                   .default_words = "those that are known",
                   .later = true},
};

std::string number_in_words(double value) {
  char digits[32];
  // 1e-08 is read by more people as 1e-8.
  std::string text(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  if (const auto at = text.find("e-0"); at != std::string::npos) text.erase(at + 2, 1);
  return text;
}

std::string range_in_words(const HyperparameterRange& range) {
  return (range.also_zero ? "0 or " : "") + number_in_words(range.least) + " to " +
         number_in_words(range.most);
}

std::string quoted_names(auto&& names) {
  std::string text;
  for (const std::string_view name : names)
    text += (text.empty() ? "`" : ", `") + std::string(name) + "`";
  return text;
}

template <class T>
constexpr bool is_number_member =
    std::is_same_v<T, int> || std::is_same_v<T, double> || std::is_same_v<T, std::uint64_t>;

}  // namespace

std::string_view to_string(AdapterMethod method) {
  return method_names.at(static_cast<std::size_t>(method));
}

std::optional<AdapterMethod> parse_adapter_method(std::string_view text) {
  return parse_name<AdapterMethod>(method_names, text);
}

std::string_view to_string(Activation activation) {
  return activation_names.at(static_cast<std::size_t>(activation));
}

std::optional<Activation> parse_activation(std::string_view text) {
  return parse_name<Activation>(activation_names, text);
}

std::span<const Hyperparameter> hyperparameters() {
  return table;
}

const Hyperparameter& hyperparameter(std::string_view name) {
  for (const Hyperparameter& entry : table)
    if (entry.name == name) return entry;
  throw std::logic_error("no hyperparameter " + std::string(name));
}

bool Hyperparameter::belongs_to(AdapterMethod method) const {
  return method != AdapterMethod::head || place != Place::adapter || name == "method";
}

std::string Hyperparameter::path() const {
  const std::string_view before = place == Place::hyperparameters ? "hyperparameters."
                                  : place == Place::adapter       ? "adapter."
                                                                  : "";
  return std::string(before) + std::string(name);
}

Specification default_specification(const BackboneSummary& backbone) {
  Specification specification;
  for (const Hyperparameter& entry : table) {
    if (entry.at_most == nullptr || backbone.*entry.at_most <= 0) continue;
    int& value = specification.*std::get<int Specification::*>(entry.member);
    value = std::min(value, backbone.*entry.at_most);
  }
  return specification;
}

std::string write_specification(const Specification& specification) {
  Json json = Json::object();
  MemberWriter writer(json);
  describe_hyperparameters(writer, specification, true);
  return dump_json(json);
}

Specification parse_specification(std::string_view text) {
  const Json json = parse_json(text);
  Specification specification;
  MemberReader reader(json, "");
  LenientReader lenient{reader};
  describe_hyperparameters(lenient, specification, true);
  return specification;
}

std::string values_in_words(const Hyperparameter& entry) {
  if (!entry.values.empty()) return std::string(entry.values);
  return std::visit(
      [&]<class T>(T Specification::*) -> std::string {
        if constexpr (std::is_same_v<T, AdapterMethod>) return quoted_names(method_names);
        if constexpr (std::is_same_v<T, Activation>) return quoted_names(activation_names);
        if constexpr (std::is_same_v<T, TaskKind>) return quoted_names(task_kind_names());
        if constexpr (std::is_same_v<T, bool>) return "true, false";
        return range_in_words(entry.range);
      },
      entry.member);
}

std::string default_in_words(const Hyperparameter& entry) {
  if (!entry.default_words.empty()) return std::string(entry.default_words);
  const Specification defaults;
  return std::visit(
      [&]<class T>(T Specification::*member) -> std::string {
        if constexpr (std::is_enum_v<T>)
          return "`" + std::string(to_string(defaults.*member)) + "`";
        else if constexpr (std::is_same_v<T, bool>)
          return defaults.*member ? "true" : "false";
        else if constexpr (is_number_member<T>)
          return number_in_words(static_cast<double>(defaults.*member));
        else
          return "none";
      },
      entry.member);
}

std::string table_row(const Hyperparameter& entry) {
  return "| `" + entry.path() + "` | " + values_in_words(entry) + ". " + std::string(entry.doc) +
         " | " + default_in_words(entry) + " |";
}

std::string sentence(const Hyperparameter& entry) {
  std::string text = std::string(entry.doc) + ": " + values_in_words(entry) + "; default " +
                     default_in_words(entry) + ".";
  std::erase(text, '`');
  return text;
}

}  // namespace graft
