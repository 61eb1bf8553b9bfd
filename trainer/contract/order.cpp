#include "trainer/contract/order.h"

#include <array>
#include <cstddef>
#include <utility>

#include "trainer/contract/members_json.h"
#include "trainer/contract/names.h"
#include "trainer/contract/order_members.h"
#include "trainer/durable/plain_text.h"

namespace graft {
namespace {

constexpr std::array<std::string_view, 3> precision_names{"auto", "fp32", "bf16"};

}  // namespace

std::string_view to_string(Precision precision) {
  return precision_names.at(static_cast<std::size_t>(precision));
}

std::optional<Precision> parse_precision(std::string_view text) {
  return parse_name<Precision>(precision_names, text);
}

std::string write_order(const Order& order) {
  Json json = {{"protocol_version", protocol_version}};
  json.update(write_object(order));
  try {
    return json.dump(2) + "\n";
  } catch (const Json::exception& error) {
    // A path that is not UTF-8 must not be written as another path.
    throw ProtocolError(std::string("the order cannot be written as JSON: ") + error.what());
  }
}

Order parse_order(std::string_view text) {
  const Json json = parse_json(text);
  int version = 0;
  MemberReader reader(json, "");
  reader("protocol_version", version);
  if (version != protocol_version) {
    throw ProtocolError("order of protocol version " + std::to_string(version) +
                        ", this program speaks version " + std::to_string(protocol_version));
  }
  return read_object<Order>(json);
}

std::string write_thread_count(int threads) {
  return std::to_string(threads) + "\n";
}

std::optional<int> parse_thread_count(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  const auto threads = whole_number<int>(text);
  return threads && *threads >= 1 ? threads : std::nullopt;
}

std::string order_identity(Order order, const std::string& backbone_sha256) {
  order.run_id.clear();
  order.backbone_directory.clear();
  order.backbone_sha256 = backbone_sha256;
  order.program_version.clear();
  order.threads = 0;
  order.cache_directory.clear();
  for (LaneOrder& lane : order.lanes) {
    lane.training_file.path.clear();
    if (lane.validation_file) lane.validation_file->path.clear();
  }
  return write_order(order);
}

std::string lane_identity(const Order& order, std::size_t lane,
                          const std::string& backbone_sha256) {
  Order alone = order;
  alone.lanes = {order.lanes.at(lane)};
  return order_identity(std::move(alone), backbone_sha256);
}

}  // namespace graft
