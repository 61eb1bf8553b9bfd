// Building of orders; see the header.
#include "scheduler/order_builder.h"

#include <optional>

#include "storage/files.h"
#include "storage/tasks.h"

namespace graft {
namespace {

DataFile data_file(Database& database, const BlobStore& blobs, const std::string& file_id,
                   const std::string& param) {
  const std::optional<File> file = find_file_of_any_customer(database, file_id);
  if (!file || !blobs.exists(file->sha256)) {
    throw JobRefused({"invalid_" + param,
                      "The file " + file_id + " (" + param +
                          ") is no longer here. Upload it again " +
                          "and create the job with its new id.",
                      param});
  }
  return {std::filesystem::absolute(blobs.path(file->sha256)).string(), file->filename,
          file->sha256};
}

Specification specification_of(const Trial& trial) {
  try {
    return parse_specification(trial.specification);
  } catch (const ProtocolError& error) {
    throw JobRefused({"invalid_configuration",
                      std::string("The job's configuration cannot be read: ") + error.what() +
                          ". Create the job again.",
                      ""});
  }
}

LaneOrder build_lane(Database& database, const BlobStore& blobs, const RunLane& lane) {
  const Job& job = lane.job;
  const std::optional<Task> task = find_task(database, job.customer, job.task_id);
  if (!task) throw JobRefused({"invalid_task", "The job's task is no longer here.", "task"});

  LaneOrder order{specification_of(lane.trial)};
  order.trial_id = lane.trial.id;
  order.job_id = job.id;
  order.adapter_name = task->adapter_name;
  order.task_name = task->name;
  order.training_file = data_file(database, blobs, job.training_file, "training_file");
  if (job.validation_file) {
    order.validation_file = data_file(database, blobs, *job.validation_file, "validation_file");
  }
  return order;
}

}  // namespace

std::vector<LaneOrder> build_lanes(Database& database, const BlobStore& blobs,
                                   const std::vector<RunLane>& lanes) {
  std::vector<LaneOrder> orders;
  orders.reserve(lanes.size());
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    try {
      orders.push_back(build_lane(database, blobs, lanes[i]));
    } catch (const JobRefused& refused) {
      throw JobRefused(refused.error(), i);
    }
  }
  return orders;
}

}  // namespace graft
