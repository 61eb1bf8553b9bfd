#include "services/routes/job_defaults.h"

#include <algorithm>

#include "trainer/contract/protocol.h"

namespace graft {

TrialConfig default_trial_config(const BackboneSummary& backbone) {
  const LaneOrder lane;
  TrialConfig config;
  config.method = to_string(lane.method);
  config.size = std::min(lane.size, backbone.hidden_size);
  config.activation = to_string(lane.activation);
  config.init_std = lane.init_std;
  config.train_layer_norm = lane.train_layer_norm;
  config.learning_rate = lane.learning_rate;
  config.batch_size = lane.batch_size;
  config.n_epochs = lane.n_epochs;
  config.max_length = std::min(lane.max_length, backbone.max_positions);
  config.warmup_ratio = lane.warmup_ratio;
  config.weight_decay = lane.weight_decay;
  config.validation_fraction = lane.validation_fraction;
  return config;
}

}  // namespace graft
