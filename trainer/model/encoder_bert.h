// BERT's forward pass with the lanes' adapters in it, as it is read: the arithmetic that answers
// predictions and that reported metrics come from; what fast/ computes is held against it.
//
// encode(): one packed batch of all lanes goes through each backbone product at once; each adapter
// sees its own lane's tokens alone, so lanes share no parameter and one backward pass serves all of
// them. encode_apart(): each batch as if it were alone. Without gradient mode nothing is kept for a
// backward pass. Reads its arguments only, but for states to be kept; one thread a call.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "trainer/model/adapter.h"
#include "trainer/model/backbone.h"
#include "trainer/model/batching.h"
#include "trainer/model/dropout.h"
#include "trainer/model/readout.h"

namespace graft {

struct EncoderLane {
  const Adapter* adapter = nullptr;  // nullptr: the backbone as it is
  DropoutStream dropout;             // of the lane; not active in evaluation
  Readout readout = Readout::cls;
};

// lanes: one each lane of the batch. Returns what each lane's readout makes of the last hidden
// states, (rows, hidden), rows lane by lane in the order asked for.
at::Tensor encode(const BackboneWeights& backbone, std::span<const EncoderLane> lanes,
                  const PackedBatch& batch);

// Where the states behind the lowest layers, which train nothing, are kept from call to call.
struct FrozenStates {
  std::size_t layers = 0;         // how many they are
  std::span<at::Tensor*> kept{};  // a batch each; undefined: not yet. Empty: nothing is kept

  void keep(std::span<const at::Tensor> states) const;
};

// What encode() gives for each batch alone, bit for bit; but the batches go through a layer one
// after the other, so that its weights come from memory once for all of them.
std::vector<at::Tensor> encode_apart(const BackboneWeights& backbone, const EncoderLane& lane,
                                     std::span<const PackedBatch> batches,
                                     FrozenStates frozen = {});

}  // namespace graft
