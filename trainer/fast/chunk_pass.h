// The forward and backward pass of one chunk on one thread: encoder_bert.h's arithmetic without
// autograd, each piece fused with its neighbours.
//
// Only what the way back needs is kept (a Tape); gradients of trainable tensors are left as pairs
// of factors on the tape, to be multiplied by add_gradients() once all chunks are through. T is how
// activations and operands are kept: float or bfloat16; sums and LayerNorms are float. A pass is
// used by one thread; the tape of a chunk by one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "trainer/fast/chunks.h"
#include "trainer/fast/frozen_activations.h"
#include "trainer/fast/packed_weights.h"
#include "trainer/fast/tape.h"
#include "trainer/model/adapter.h"
#include "trainer/model/backbone.h"
#include "trainer/model/dropout.h"
#include "trainer/model/readout.h"

namespace graft {

// Behind the last layer's attention the pass goes on with rows' first tokens alone, so it computes
// lanes whose heads read no more; others take the readable pass.
constexpr bool chunk_pass_computes(Readout readout) {
  return readout == Readout::cls;
}

// A lane as the pass sees it.
template <class T>
struct PassLane {
  const Adapter* adapter = nullptr;
  const PackedAdapter<T>* packed = nullptr;
  DropoutStream dropout;
  std::size_t frozen_layers = 0;            // the lowest ones, without anything to train
  FrozenActivations::Rows* kept = nullptr;  // what they gave; nullptr: nothing is kept
};

// The lowest sub-block with something to train: gradients stop there.
struct Floor {
  std::size_t layer = 0;
  bool attention = true;
};
std::optional<Floor> lowest_trainable(const Adapter& adapter);

template <class T>
class ChunkPass {
 public:
  ChunkPass(const BackboneWeights& backbone, const PackedBackbone<T>& packed);

  // states: (rows of the chunk, hidden), the last hidden states of each row's first token. Returns
  // whether what the frozen layers give was kept from before, for all of the chunk's rows.
  bool forward(const Chunk& chunk, const PassLane<T>& lane, Tape<T>& tape, float* states);

  // state_gradients (rows, hidden). Fills the gradients on the tape down to the floor.
  void backward(const Chunk& chunk, const PassLane<T>& lane, Floor floor, Tape<T>& tape,
                const float* state_gradients);

  // Adds the gradients of one sub-block's tensors, which must have .grad, chunk by chunk in order.
  struct TapedChunk {
    const Chunk* chunk;
    const Tape<T>* tape;
  };
  void add_gradients(std::size_t layer, bool attention, const Adapter& adapter,
                     std::span<const TapedChunk> chunks);

 private:
  struct Part;  // one sub-block of one lane

  void reserve(const Chunk& chunk, const Adapter* adapter);
  void name_tokens(const Chunk& chunk, const PassLane<T>& lane, DropoutSite site, bool rows_only);
  void embed(const Chunk& chunk, const PassLane<T>& lane);
  bool load_frozen(const Chunk& chunk, const PassLane<T>& lane);
  void keep_frozen(const Chunk& chunk, const PassLane<T>& lane);
  std::int64_t frozen_tokens(const ChunkRow& row, const PassLane<T>& lane) const;
  template <class Use>
  void for_each_row(const Chunk& chunk, const PassLane<T>& lane, std::size_t layer, bool last,
                    Use use) const;
  void attend(const Chunk& chunk, const PassLane<T>& lane, std::size_t layer, bool last,
              const LayerTape<T>& tape);
  void attend_backward(const Chunk& chunk, const PassLane<T>& lane, std::size_t layer, bool last,
                       const LayerTape<T>& tape);
  void run_layer(const Chunk& chunk, const PassLane<T>& lane, std::size_t layer,
                 LayerTape<T>& tape);
  void close(const Part& part, SubBlockTape<T>& tape, std::int64_t tokens, const T* z);
  void close_backward(const Part& part, SubBlockTape<T>& tape, std::int64_t tokens,
                      DropoutRule rule, bool at_floor);
  Part part_of(const PassLane<T>& lane, std::size_t layer, bool attention) const;

  const BackboneWeights& backbone_;
  const PackedBackbone<T>& packed_;
  const BackboneConfig& config_;
  const VectorKernels<T>& kernels_;

  // Scratch, grown to the largest chunk seen. (tokens, …)
  std::int64_t tokens_ = 0, longest_ = 0, widest_ = 0;
  std::vector<float> x_, sum_, panel_, attention_scratch_;  // x_, sum_: (tokens, hidden)
  std::vector<T> x_short_, context_, inner_, gradient_short_, qkv_gradient_, z_;
  std::vector<T> left_, right_;  // of gradient products
  std::vector<std::uint64_t> keys_;
  std::vector<std::int64_t> elements_;
};

}  // namespace graft
