#include "trainer/contract/json_glance.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

#include "trainer/contract/json_problem.h"

namespace graft {
namespace {

using Json = nlohmann::json;

class Watch : public nlohmann::json_sax<Json> {
 public:
  Watch(std::string_view text, std::size_t most_levels) : text_(text), most_levels_(most_levels) {}
  JsonGlance seen;

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(std::int64_t) override { return value(); }
  bool number_unsigned(std::uint64_t) override { return value(); }
  bool number_float(double, const std::string& written) override {
    if (open_.size() == 1 && member_) seen.long_numbers[*member_] = written;
    return value();
  }
  bool string(std::string&) override { return value(); }
  bool binary(Json::binary_t&) override { return value(); }

  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    auto& names = open_.back();
    if (!names.insert(name).second && !seen.twice) seen.twice = name;
    seen.too_many_members = names.size() > most_members;
    if (open_.size() == 1) member_ = name;
    return !seen.too_many_members;
  }
  bool parse_error(std::size_t byte, const std::string&,
                   const nlohmann::detail::exception& error) override {
    constexpr int out_of_range = 406;
    seen.problem =
        json_problem(text_, {error.what(), byte, error.id == out_of_range, value_complete_});
    seen.problem_byte = byte;
    return false;
  }

 private:
  bool open() {
    ++seen.values;
    seen.too_deep = open_.size() >= most_levels_;
    open_.emplace_back();
    return !seen.too_deep;
  }
  bool close() {
    open_.pop_back();
    return complete();
  }
  bool value() {
    ++seen.values;
    return complete();
  }
  bool complete() {
    value_complete_ = open_.empty();
    return true;
  }

  const std::string_view text_;
  const std::size_t most_levels_;
  bool value_complete_ = false;                        // of the outermost
  std::optional<std::string> member_;                  // of the outermost object, the last
  std::vector<std::unordered_set<std::string>> open_;  // names of each open object; of arrays none
};

}  // namespace

JsonGlance glance_at_json(std::string_view text, std::size_t most_levels) {
  Watch watch(text, most_levels);
  Json::sax_parse(text, &watch);
  return std::move(watch.seen);
}

}  // namespace graft
