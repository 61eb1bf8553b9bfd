// PyTorch's own container: a stored zip with a pickle of a plain dict and raw storages.
//
// LibTorch's pickle_save tags the dict in a way that torch.load(weights_only=True) refuses, so the
// few opcodes are written here (https://docs.python.org/3/library/pickletools.html, protocol 2).
#include <caffe2/serialize/inline_container.h>
#include <torch/torch.h>

#include "trainer/bundle/export_adapterhub.h"

namespace graft {
namespace {

class Pickle {
 public:
  Pickle() { text_ = "\x80\x02}("; }  // protocol 2, an empty dict, mark

  void tensor(const std::string& name, const at::Tensor& tensor, std::size_t index) {
    unicode(name);
    text_ += "ctorch._utils\n_rebuild_tensor_v2\n((";
    unicode("storage");
    text_ += "ctorch\nFloatStorage\n";
    unicode(std::to_string(index));
    unicode("cpu");
    integer(tensor.numel());
    text_ += "tQ";  // tuple, persistent id
    integer(0);     // offset in the storage
    tuple(tensor.sizes());
    tuple(tensor.strides());
    text_ += "\x89";                           // requires_grad: False
    text_ += "ccollections\nOrderedDict\n)R";  // no hooks
    text_ += "tR";                             // call
  }

  std::string finish() { return std::move(text_) + "u."; }

 private:
  void unicode(const std::string& value) {
    text_ += 'X';
    little_endian(value.size(), 4);
    text_ += value;
  }

  void integer(std::int64_t value) {  // never negative here
    const auto bits = static_cast<std::uint64_t>(value);
    if (bits < 1u << 8) {
      text_ += 'K';
      little_endian(bits, 1);
    } else if (bits < 1u << 16) {
      text_ += 'M';
      little_endian(bits, 2);
    } else {
      text_ += 'J';
      little_endian(bits, 4);
    }
  }

  void tuple(at::IntArrayRef values) {
    text_ += '(';
    for (const std::int64_t value : values) integer(value);
    text_ += 't';
  }

  void little_endian(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_ += static_cast<char>(value >> (8 * i) & 0xff);
  }

  std::string text_;
};

}  // namespace

std::string write_torch_file(const NamedTensors& tensors) {
  std::string bytes;
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  writer.setMinVersion(3);
  Pickle pickle;
  NamedTensors plain;
  for (const auto& [name, tensor] : tensors)
    plain.emplace_back(name, tensor.detach().to(at::kCPU, at::kFloat).contiguous());
  for (std::size_t i = 0; i < plain.size(); ++i) pickle.tensor(plain[i].first, plain[i].second, i);
  const std::string text = pickle.finish();
  writer.writeRecord("data.pkl", text.data(), text.size());
  writer.writeRecord("byteorder", "little", 6);
  for (std::size_t i = 0; i < plain.size(); ++i)
    writer.writeRecord("data/" + std::to_string(i), plain[i].second.const_data_ptr(),
                       plain[i].second.nbytes());
  writer.writeEndOfFile();
  return bytes;
}

}  // namespace graft
