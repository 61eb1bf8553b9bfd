// What "auto" means: the tested defaults of LaneOrder (trainer/contract/protocol.h), held to the
// backbone's sizes. No state: any thread.
#pragma once

#include "storage/records.h"
#include "trainer/contract/backbone_identity.h"

namespace graft {

// Of a head alone (method head). Measured on TREC, 3 epochs, 20 seeds: 72.8 % with it, 72.0 % with
// the adapters' rate; on SST-2 no difference.
inline constexpr double head_learning_rate = 3e-3;

// Every value but the seed, which is 0. A learning rate of 0 never appears: multiplier 1 is the
// default rate, of houlsby and pfeiffer.
TrialConfig default_trial_config(const BackboneSummary& backbone);

}  // namespace graft
