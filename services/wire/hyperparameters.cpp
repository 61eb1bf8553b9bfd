// See the header.
#include "services/wire/hyperparameters.h"

#include <algorithm>
#include <array>
#include <optional>
#include <type_traits>
#include <utility>

namespace graft {

namespace {

NumberRange range_of(const Hyperparameter& entry, const BackboneSummary& backbone) {
  double most = entry.range.most;
  if (entry.at_most != nullptr && backbone.*entry.at_most > 0)
    most = std::min<double>(most, backbone.*entry.at_most);
  return {entry.range.least, most, false, entry.range.also_zero};
}

template <class Enum>
void read_name(const Hyperparameter& entry, JsonFields& fields,
               std::optional<Enum> (*parse)(std::string_view), Enum& value) {
  const auto text = fields.text(entry.name, 1, 64);
  if (!text) return;
  if (const auto parsed = parse(*text)) {
    value = *parsed;
    return;
  }
  std::string names = values_in_words(entry);
  std::replace(names.begin(), names.end(), '`', '\'');
  if (const auto last = names.rfind(", "); last != std::string::npos)
    names.replace(last, 2, " or ");
  fields.add_error(entry.name, "'" + *text + "' is not known; use " + names + ".");
}

// Pointers to its members, by their names.
constexpr std::array<std::pair<const char*, std::string Columns::*>, 3> column_members{
    {{"text", &Columns::text}, {"text_pair", &Columns::text_pair}, {"label", &Columns::label}}};

void read_columns(const Hyperparameter& entry, JsonFields& fields, Columns& columns) {
  auto names = fields.fields(entry.name);
  if (!names) return;
  constexpr std::size_t most_characters = 256;
  for (const auto& [name, member] : column_members) {
    columns.*member = names->text(name, 1, most_characters).value_or("");
    if (!(columns.*member).empty() && trim(columns.*member).empty())
      names->add_error(name, "is a name of blanks only.");
    for (const auto& [other, before] : column_members) {
      if (member == before) break;
      if (!(columns.*member).empty() &&
          column_name(columns.*member) == column_name(columns.*before))
        names->add_error(name, std::string("is the same as ") + other + ".");
    }
  }
  if (columns.text.empty() && !columns.text_pair.empty())
    names->add_error("text_pair", "needs text beside it.");
  names->finish();
}

Json columns_object(const Columns& columns) {
  if (columns == Columns()) return nullptr;
  Json object = Json::object();
  for (const auto& [name, member] : column_members)
    object[name] = (columns.*member).empty() ? Json(nullptr) : Json(columns.*member);
  return object;
}

}  // namespace

bool is_auto(const Json* value) {
  return value && *value == "auto";
}

std::vector<std::string> paths_at(Hyperparameter::Place place) {
  std::vector<std::string> paths;
  for (const Hyperparameter& entry : hyperparameters())
    if (entry.place == place) paths.push_back(entry.path());
  return paths;
}

void read_hyperparameters_at(Hyperparameter::Place place, JsonFields& fields,
                             const BackboneSummary& backbone, Specification& specification) {
  for (const Hyperparameter& entry : hyperparameters()) {
    if (entry.place != place || !entry.belongs_to(specification.method)) continue;
    if (is_auto(fields.find(entry.name))) continue;
    const NumberRange range = range_of(entry, backbone);
    std::visit(
        [&]<class T>(T Specification::*member) {
          T& value = specification.*member;
          if constexpr (std::is_same_v<T, bool>)
            value = fields.boolean(entry.name).value_or(value);
          else if constexpr (std::is_integral_v<T>)
            value = static_cast<T>(
                fields.integer(entry.name, range).value_or(static_cast<std::int64_t>(value)));
          else if constexpr (std::is_same_v<T, double>)
            value = fields.number(entry.name, range).value_or(value);
          else if constexpr (std::is_same_v<T, AdapterMethod>)
            read_name(entry, fields, parse_adapter_method, value);
          else if constexpr (std::is_same_v<T, Activation>)
            read_name(entry, fields, parse_activation, value);
          else if constexpr (std::is_same_v<T, Columns>)
            read_columns(entry, fields, value);
          else if constexpr (std::is_same_v<T, TaskKind>)
            read_name(entry, fields, parse_task_kind, value);
        },
        entry.member);
  }
}

void write_hyperparameters_at(Hyperparameter::Place place, const Specification& specification,
                              Json& object) {
  for (const Hyperparameter& entry : hyperparameters()) {
    if (entry.place != place) continue;
    Json& shown = object[std::string(entry.name)];
    if (!entry.belongs_to(specification.method)) continue;
    std::visit(
        [&]<class T>(T Specification::*member) {
          if constexpr (std::is_enum_v<T>)
            shown = std::string(to_string(specification.*member));
          else if constexpr (std::is_same_v<T, Columns>)
            shown = columns_object(specification.*member);
          else
            shown = specification.*member;
        },
        entry.member);
  }
}

}  // namespace graft
