// THE model: BERT's forward pass with the lanes' adapters in it.
//
// One packed batch of all lanes goes through each backbone product at once; each adapter sees its
// own lane's tokens alone, so lanes share no parameter and one backward pass serves all of them.
// Without gradient mode nothing is kept for a backward pass. Reads its arguments only; one thread a
// call.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "trainer/model/adapter.h"
#include "trainer/model/backbone.h"
#include "trainer/model/batching.h"
#include "trainer/model/dropout.h"

namespace graft {

struct EncoderLane {
  const Adapter* adapter = nullptr;  // nullptr: the backbone as it is
  DropoutStream dropout;             // of the lane; not active in evaluation
};

// lanes: one each lane of the batch. Returns the last hidden states of each row's first token
// [CLS], (rows, hidden), rows lane by lane in the order asked for.
at::Tensor encode(const BackboneWeights& backbone, std::span<const EncoderLane> lanes,
                  const PackedBatch& batch);

}  // namespace graft
