#include "trainer/contract/json_glance.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

namespace graft {
namespace {

using Json = nlohmann::json;

class Watch : public nlohmann::json_sax<Json> {
 public:
  explicit Watch(std::size_t most_levels) : most_levels_(most_levels) {}
  JsonGlance seen;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(Json::binary_t&) override { return true; }

  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    auto& names = open_.back();
    if (!names.insert(name).second && !seen.twice) seen.twice = name;
    seen.too_many_members = names.size() > most_members;
    return !seen.too_many_members;
  }
  bool parse_error(std::size_t byte, const std::string&,
                   const nlohmann::detail::exception& error) override {
    seen.error = error.what();
    seen.error_byte = byte;
    return false;
  }

 private:
  bool open() {
    seen.too_deep = open_.size() >= most_levels_;
    open_.emplace_back();
    return !seen.too_deep;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const std::size_t most_levels_;
  std::vector<std::unordered_set<std::string>> open_;  // names of each open object; of arrays none
};

}  // namespace

JsonGlance glance_at_json(std::string_view text, std::size_t most_levels) {
  Watch watch(most_levels);
  Json::sax_parse(text, &watch);
  return std::move(watch.seen);
}

std::string excess_of_row(const JsonGlance& row) {
  if (!row.too_deep && !row.too_many_members) return {};
  return "no row: it has more than " + std::to_string(most_members) +
         " members or is nested deeper than " + std::to_string(most_row_levels) + " levels";
}

}  // namespace graft
