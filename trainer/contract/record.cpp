#include "trainer/contract/record.h"

#include <array>
#include <cstddef>
#include <utility>

#include "trainer/contract/members_json.h"
#include "trainer/contract/record_members.h"

namespace graft {
namespace {

// Members "type" of a record, in the order of RecordBody.
constexpr std::array<std::string_view, std::variant_size_v<RecordBody>> record_types{
    "run_started", "data_ready", "progress",     "epoch_ended", "lane_finished",
    "lane_failed", "run_failed", "run_finished", "notice"};

template <std::size_t... Index>
RecordBody read_record_body(const Json& json, std::string_view type,
                            std::index_sequence<Index...>) {
  std::optional<RecordBody> body;
  const auto try_type = [&]<std::size_t I>() {
    if (record_types[I] != type) return;
    body = read_object<std::variant_alternative_t<I, RecordBody>>(json);
  };
  (try_type.template operator()<Index>(), ...);
  if (!body) throw ProtocolError("unknown record type \"" + std::string(type) + "\"");
  return *std::move(body);
}

}  // namespace

std::string write_record(const Record& record) {
  Json json = {{"type", record_types.at(record.body.index())}};
  MemberWriter writer(json);
  writer("time", record.time);
  std::visit([&](const auto& body) { describe(writer, body); }, record.body);
  return dump_json(json);
}

Record parse_record(std::string_view line) {
  const Json json = parse_json(line);
  Record record;
  std::string type;
  MemberReader reader(json, "");
  reader("type", type);
  reader("time", record.time);
  record.body =
      read_record_body(json, type, std::make_index_sequence<std::variant_size_v<RecordBody>>());
  return record;
}

std::string write_lane_metrics(const LaneMetrics& metrics) {
  return dump_json(write_object(metrics));
}

LaneMetrics parse_lane_metrics(std::string_view text) {
  return read_object<LaneMetrics>(parse_json(text));
}

}  // namespace graft
