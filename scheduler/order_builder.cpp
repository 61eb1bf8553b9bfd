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
    throw JobRefused("invalid_" + param,
                     "The file " + file_id + " (" + param +
                         ") is no longer here. Upload it again " +
                         "and create the job with its new id.",
                     param);
  }
  return {std::filesystem::absolute(blobs.path(file->sha256)).string(), file->filename,
          file->sha256};
}

template <class Value>
Value known(const std::optional<Value>& value, const std::string& member, const std::string& text) {
  if (!value) {
    throw JobRefused("invalid_configuration",
                     "This program knows no adapter." + member + " \"" + text + "\".",
                     "adapter." + member);
  }
  return *value;
}

LaneOrder build_lane(Database& database, const BlobStore& blobs, const RunLane& lane) {
  const Job& job = lane.job;
  const TrialConfig& config = lane.trial.config;
  const std::optional<Task> task = find_task(database, job.customer, job.task_name);
  if (!task) throw JobRefused("invalid_task", "The job's task is no longer here.", "task");

  LaneOrder order;
  order.trial_id = lane.trial.id;
  order.job_id = job.id;
  order.adapter_name = task->adapter_name;
  order.task_name = task->name;
  order.training_file = data_file(database, blobs, job.training_file, "training_file");
  if (job.validation_file) {
    order.validation_file = data_file(database, blobs, *job.validation_file, "validation_file");
  }
  order.validation_fraction = config.validation_fraction;
  order.method = known(parse_adapter_method(config.method), "method", config.method);
  order.size = config.size;
  order.leave_out = config.leave_out;
  order.activation = known(parse_activation(config.activation), "activation", config.activation);
  order.init_std = config.init_std;
  order.train_layer_norm = config.train_layer_norm;
  order.learning_rate = config.learning_rate;
  order.batch_size = config.batch_size;
  order.n_epochs = config.n_epochs;
  order.max_length = config.max_length;
  order.warmup_ratio = config.warmup_ratio;
  order.weight_decay = config.weight_decay;
  order.seed = static_cast<std::uint64_t>(config.seed);
  return order;
}

}  // namespace

std::vector<LaneOrder> build_lanes(Database& database, const BlobStore& blobs,
                                   const std::vector<RunLane>& lanes) {
  std::vector<LaneOrder> orders;
  orders.reserve(lanes.size());
  for (const RunLane& lane : lanes) orders.push_back(build_lane(database, blobs, lane));
  return orders;
}

}  // namespace graft
