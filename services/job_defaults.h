// What "auto" means: the tested defaults of LaneOrder (trainer/protocol.h), held to the backbone's
// sizes. No state: any thread.
#pragma once

#include "storage/records.h"
#include "trainer/backbone_identity.h"

namespace graft {

// Every value but the seed, which is 0. A learning rate of 0 never appears: multiplier 1 is the
// default rate.
TrialConfig default_trial_config(const BackboneSummary& backbone);

}  // namespace graft
