// The members of an order, each list once, for members_json.h.
#pragma once

#include "trainer/contract/members_json.h"
#include "trainer/contract/order.h"
#include "trainer/contract/specification_members.h"

namespace graft {

void describe(auto& member, Of<DataFile> auto& file) {
  member("path", file.path);
  member("name", file.name);
  member("sha256", file.sha256);
}

void describe(auto& member, Of<LaneOrder> auto& lane) {
  member("trial_id", lane.trial_id);
  member("job_id", lane.job_id);
  member("adapter_name", lane.adapter_name);
  member("task_name", lane.task_name);
  member("training_file", lane.training_file);
  member("validation_file", lane.validation_file);
  member("validation_fraction", lane.validation_fraction);
  describe_hyperparameters(member, lane, false);
}

void describe(auto& member, Of<Order> auto& order) {
  member("run_id", order.run_id);
  member("backbone_name", order.backbone_name);
  member("backbone_directory", order.backbone_directory);
  member("backbone_sha256", order.backbone_sha256);
  member("program_version", order.program_version);
  member("threads", order.threads);
  member("device", order.device);
  member.optional("cache_directory", order.cache_directory);
  member.optional("precision", order.precision);
  member("lanes", order.lanes);
}

}  // namespace graft
