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

  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(std::int64_t) override { return count(); }
  bool number_unsigned(std::uint64_t) override { return count(); }
  bool number_float(double, const std::string&) override { return count(); }
  bool string(std::string&) override { return count(); }
  bool binary(Json::binary_t&) override { return count(); }

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
  bool count() {
    ++seen.values;
    return true;
  }
  bool open() {
    ++seen.values;
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

}  // namespace graft
