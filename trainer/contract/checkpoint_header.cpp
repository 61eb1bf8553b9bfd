#include "trainer/contract/checkpoint_header.h"

#include "trainer/contract/members_json.h"
#include "trainer/contract/order_members.h"
#include "trainer/contract/record_members.h"

namespace graft {

// Found where members_json.h asks for them, so in no namespace of their own.
void describe(auto& member, Of<StepTotals> auto& totals) {
  member("loss", totals.loss);
  member("correct", totals.correct);
  member("rows", totals.rows);
  member("tokens", totals.tokens);
  member("steps", totals.steps);
  member("seconds", totals.seconds);
}

void describe(auto& member, Of<LanePosition> auto& position) {
  member("lane", position.lane);
  member.optional("identity", position.identity);
  member("step", position.step);
  member("optimizer_steps", position.optimizer_steps);
  member("total_steps", position.total_steps);
  member("training_rows", position.training_rows);
  member("validation_rows", position.validation_rows);
  member("parameters", position.parameters);
  member("labels", position.labels);
  member("epoch_sums", position.epoch_sums);
  member("sums", position.sums);
  member("evaluation_seconds", position.evaluation_seconds);
  member.optional("target_mean", position.target_mean);
  member.optional("target_deviation", position.target_deviation);
  member("best", position.best);
}

void describe(auto& member, Of<CheckpointHeader> auto& header) {
  member("program_version", header.program_version);
  member("order_sha256", header.order_sha256);
  member("time", header.time);
  member("precision", header.precision);
  member("lanes", header.lanes);
}

std::string write_checkpoint_header(const CheckpointHeader& header) {
  Json json = {{"format", "graft-checkpoint"}, {"format_version", checkpoint_format_version}};
  json.update(write_object(header));
  return dump_json(json);
}

CheckpointHeader parse_checkpoint_header(std::string_view text) {
  const Json json = parse_json(text);
  std::string format;
  int version = 0;
  MemberReader member(json, "");
  member("format", format);
  member("format_version", version);
  if (format != "graft-checkpoint" || version != checkpoint_format_version) {
    throw ProtocolError("it is of format " + format + " " + std::to_string(version) +
                        ", this program reads graft-checkpoint " +
                        std::to_string(checkpoint_format_version));
  }
  return read_object<CheckpointHeader>(json);
}

}  // namespace graft
