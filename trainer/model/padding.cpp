// Gathers between packed and padded layouts.
#include "trainer/model/padding.h"

#include <torch/torch.h>

namespace graft {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Pad : Function<Pad> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& packed,
                            const at::Tensor& padded_to_token, const at::Tensor& token_to_padded) {
    context->save_for_backward({token_to_padded});
    return packed.index_select(0, padded_to_token);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {gradients[0].index_select(0, context->get_saved_variables()[0]), {}, {}};
  }
};

struct Unpad : Function<Unpad> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& padded,
                            const at::Tensor& token_to_padded) {
    context->save_for_backward({token_to_padded});
    context->saved_data["places"] = padded.size(0);
    return padded.index_select(0, token_to_padded);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const std::int64_t places = context->saved_data["places"].toInt();
    at::Tensor padded = at::zeros({places, gradients[0].size(1)}, gradients[0].options());
    padded.index_copy_(0, context->get_saved_variables()[0], gradients[0]);
    return {padded, {}};
  }
};

}  // namespace

at::Tensor pad(const at::Tensor& packed, const PackedBatch& batch) {
  if (!batch.has_padding) return packed;
  return Pad::apply(packed, batch.padded_to_token, batch.token_to_padded);
}

at::Tensor unpad(const at::Tensor& padded, const PackedBatch& batch) {
  if (!batch.has_padding) return padded;
  return Unpad::apply(padded, batch.token_to_padded);
}

}  // namespace graft
