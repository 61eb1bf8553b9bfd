// Packing, and the file of a packed backbone.
#include "trainer/fast/packed_weights.h"

#include <torch/torch.h>

#include <system_error>

#include "trainer/durable/atomic_file.h"
#include "trainer/text/log.h"
#include "trainer/text/mapped_file.h"

namespace graft {
namespace {

constexpr int layout_version = 2;  // of the file; goes up with every change of the layout

// Calls visit(operand, weight (out, in), way back) for every product of the backbone in the order
// of the file.
template <class T, class Visit>
void visit_operands(PackedBackbone<T>& packed, const BackboneWeights& backbone, Visit visit) {
  packed.layers.resize(backbone.layers.size());
  for (std::size_t i = 0; i < backbone.layers.size(); ++i) {
    PackedLayer<T>& to = packed.layers[i];
    const BackboneLayer& from = backbone.layers[i];
    const auto stacked = [&] {
      return at::cat({from.query.weight, from.key.weight, from.value.weight});
    };
    visit(
        to.query, [&] { return from.query.weight; }, false);
    visit(
        to.key, [&] { return from.key.weight; }, false);
    visit(
        to.value, [&] { return from.value.weight; }, false);
    visit(
        to.attention_output, [&] { return from.attention_output.weight; }, false);
    visit(
        to.intermediate, [&] { return from.intermediate.weight; }, false);
    visit(
        to.output, [&] { return from.output.weight; }, false);
    visit(to.query_key_value_back, stacked, true);
    visit(
        to.attention_output_back, [&] { return from.attention_output.weight; }, true);
    visit(
        to.intermediate_back, [&] { return from.intermediate.weight; }, true);
    visit(
        to.output_back, [&] { return from.output.weight; }, true);
  }
}

template <class T>
void pack_weight(const at::Tensor& weight, bool back, T* out) {
  const std::int64_t outputs = weight.size(0), inputs = weight.size(1);
  const float* const values = weight.const_data_ptr<float>();
  if (back)
    vector_kernels<T>().pack_operand(values, inputs, 1, outputs, inputs, outputs, inputs, out);
  else
    vector_kernels<T>().pack_operand(values, 1, inputs, inputs, outputs, inputs, outputs, out);
}

template <class T>
std::string packed_bytes(const BackboneWeights& backbone) {
  std::string bytes;
  PackedBackbone<T> unused;
  visit_operands(unused, backbone, [&](PackedOperand<T>&, auto weight, bool back) {
    const at::Tensor values = weight().contiguous();
    const std::size_t begin = bytes.size();
    bytes.resize(begin + static_cast<std::size_t>(values.numel()) * sizeof(T));
    pack_weight(values, back, reinterpret_cast<T*>(bytes.data() + begin));
  });
  return bytes;
}

template <class T>
std::size_t packed_size(const BackboneConfig& config) {
  const std::int64_t layer = 8 * config.hidden_size * config.hidden_size +
                             4 * config.hidden_size * config.intermediate_size;
  return static_cast<std::size_t>(config.layers * layer) * sizeof(T);
}

template <class T>
std::shared_ptr<const MappedFile> map_packed(const BackboneWeights& backbone,
                                             const std::filesystem::path& cache_directory) {
  const std::string name = "backbone-" + backbone.sha256 + (sizeof(T) == 2 ? ".bf16" : ".fp32") +
                           ".v" + std::to_string(layout_version);
  const std::filesystem::path path = cache_directory / name;
  try {
    const auto mapped = [&]() -> std::shared_ptr<const MappedFile> {
      if (!std::filesystem::exists(path)) return nullptr;
      auto file = std::make_shared<const MappedFile>(path);
      return file->text().size() == packed_size<T>(backbone.config) ? file : nullptr;
    };
    if (auto file = mapped()) return file;
    std::filesystem::create_directories(cache_directory);
    write_file_atomically(path, packed_bytes<T>(backbone));
    return mapped();
  } catch (const std::exception& error) {
    log_info("packed weights are kept in memory: " + std::string(error.what()));
    return nullptr;
  }
}

}  // namespace

bool can_pack(const BackboneConfig& config) {
  return config.hidden_size % 2 == 0 && config.intermediate_size % 2 == 0 &&
         config.hidden_size <= widest_hidden_state;
}

template <class T>
PackedBackbone<T> pack_backbone(const BackboneWeights& backbone,
                                const std::filesystem::path& cache_directory) {
  PackedBackbone<T> packed;
  const T* data = nullptr;
  if (!cache_directory.empty()) {
    if (auto file = map_packed<T>(backbone, cache_directory)) {
      data = reinterpret_cast<const T*>(file->text().data());
      packed.memory = std::move(file);
    }
  }
  if (!data) {
    auto bytes = std::make_shared<const std::string>(packed_bytes<T>(backbone));
    data = reinterpret_cast<const T*>(bytes->data());
    packed.memory = std::move(bytes);
  }
  visit_operands(packed, backbone, [&](PackedOperand<T>& operand, auto weight, bool back) {
    const at::Tensor values = weight();  // may be made here: its sizes live no longer
    const auto shape = values.sizes();
    operand = {data, back ? shape[0] : shape[1], back ? shape[1] : shape[0]};
    data += operand.k * operand.n;
  });
  return packed;
}

template PackedBackbone<float> pack_backbone(const BackboneWeights&, const std::filesystem::path&);
template PackedBackbone<BFloat16Bits> pack_backbone(const BackboneWeights&,
                                                    const std::filesystem::path&);

std::int64_t padded_size(std::int64_t size) {
  return (size + 31) / 32 * 32;
}

template <class T>
PackedAdapter<T>::PackedAdapter(const Adapter& adapter) {
  const auto parts_of = [&](auto visit) {
    for (const AdapterLayer& layer : adapter.layers) {
      visit(layer.attention.bottleneck);
      visit(layer.feed_forward.bottleneck);
    }
  };
  const std::int64_t padded = padded_size(adapter.size);
  std::int64_t count = 0;
  parts_of([&](const std::optional<Bottleneck>& bottleneck) {
    if (bottleneck) count += 4 * padded * bottleneck->down.weight.size(1);
  });
  memory_.resize(static_cast<std::size_t>(count));
  const T* next = memory_.data();
  parts_of([&](const std::optional<Bottleneck>& bottleneck) {
    PackedBottleneck<T>& packed = bottlenecks_.emplace_back();
    if (!bottleneck) return;
    packed.size = bottleneck->down.weight.size(0);
    const std::int64_t hidden = bottleneck->down.weight.size(1);
    const auto take = [&](std::int64_t k, std::int64_t n) {
      const PackedOperand<T> operand{next, k, n};
      next += k * n;
      return operand;
    };
    packed.down = take(hidden, padded);
    packed.up = take(padded, hidden);
    packed.down_back = take(padded, hidden);
    packed.up_back = take(hidden, padded);
    packed.down_bias.assign(static_cast<std::size_t>(padded), 0.0f);
  });
  for (std::size_t i = 0; i < parts(); ++i) repack(adapter, i);
}

template <class T>
bool PackedAdapter<T>::fits(const Adapter& adapter) const {
  if (parts() != 2 * adapter.layers.size()) return false;
  for (std::size_t i = 0; i < parts(); ++i) {
    const AdapterLayer& layer = adapter.layers[i / 2];
    const std::optional<Bottleneck>& bottleneck =
        i % 2 == 0 ? layer.attention.bottleneck : layer.feed_forward.bottleneck;
    if (bottlenecks_[i].size != (bottleneck ? bottleneck->down.weight.size(0) : 0)) return false;
  }
  return true;
}

template <class T>
void PackedAdapter<T>::repack(const Adapter& adapter, std::size_t index) {
  const AdapterLayer& layer = adapter.layers[index / 2];
  const std::optional<Bottleneck>& bottleneck =
      index % 2 == 0 ? layer.attention.bottleneck : layer.feed_forward.bottleneck;
  if (!bottleneck) return;
  PackedBottleneck<T>& packed = bottlenecks_[index];
  const std::int64_t size = bottleneck->down.weight.size(0);
  const std::int64_t hidden = bottleneck->down.weight.size(1);
  const float* const down = bottleneck->down.weight.const_data_ptr<float>();  // (size, hidden)
  const float* const up = bottleneck->up.weight.const_data_ptr<float>();      // (hidden, size)
  const auto pack = [&](const PackedOperand<T>& operand, const float* source, std::int64_t k_stride,
                        std::int64_t n_stride, std::int64_t k, std::int64_t n) {
    T* const out = memory_.data() + (operand.data - memory_.data());
    vector_kernels<T>().pack_operand(source, k_stride, n_stride, k, n, operand.k, operand.n, out);
  };
  pack(packed.down, down, 1, hidden, hidden, size);
  pack(packed.up, up, 1, size, size, hidden);
  pack(packed.down_back, down, hidden, 1, size, hidden);
  pack(packed.up_back, up, size, 1, hidden, size);
  const float* const bias = bottleneck->down.bias.const_data_ptr<float>();
  std::copy(bias, bias + size, packed.down_bias.begin());
}

template class PackedAdapter<float>;
template class PackedAdapter<BFloat16Bits>;

}  // namespace graft
