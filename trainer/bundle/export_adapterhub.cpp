// AdapterHub bundles (adapters 1.3.0) and their way back.
#include "trainer/bundle/export_adapterhub.h"

#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include "trainer/bundle/archive.h"
#include "trainer/durable/atomic_file.h"
#include "trainer/durable/sha256.h"
#include "trainer/tasks/kind.h"

namespace graft {
namespace {

using nlohmann::json;

constexpr std::uint64_t bundle_limit = std::uint64_t{4} << 30;  // bytes unpacked
constexpr char adapters_version[] = "adapters.1.3.0";

// Members that adapter_config.json and head_config.json share.
json common_members(const TaskModel& model, const BackboneConfig& config,
                    const Provenance& provenance) {
  return {{"hidden_size", config.hidden_size},
          {"model_class", "BertAdapterModel"},
          {"model_name", provenance.backbone_name},
          {"model_type", "bert"},
          {"name", model.name},
          {"version", adapters_version},
          {"backbone_sha256", provenance.backbone_sha256}};
}

// Layers without a bottleneck: for the head alone all of them, an adapter that AdapterHub loads
// from files without tensors.
json left_out_layers(const Adapter& adapter) {
  json layers = json::array();
  for (std::size_t i = 0; i < adapter.layers.size(); ++i)
    if (!adapter.layers[i].attention.bottleneck && !adapter.layers[i].feed_forward.bottleneck)
      layers.push_back(i);
  return layers;
}

// Where there is no bottleneck the factor is AdapterHub's default, for nothing is computed from it.
json reduction_factor(const Adapter& adapter, std::int64_t hidden_size) {
  if (adapter.method == AdapterMethod::head) return 16;
  return json::parse(reduction_factor_json(hidden_size, adapter.size));
}

std::string adapter_config(const TaskModel& model, const BackboneConfig& config,
                           const Provenance& provenance) {
  const bool pfeiffer = model.adapter.method == AdapterMethod::pfeiffer;
  json file = common_members(model, config, provenance);
  file["config"] = {
      {"adapter_residual_before_ln", false},
      {"cross_adapter", false},
      {"dropout", 0.0},
      {"factorized_phm_W", true},
      {"factorized_phm_rule", false},
      {"hypercomplex_nonlinearity", "glorot-uniform"},
      {"init_weights", "bert"},
      {"init_weights_seed", nullptr},
      {"inv_adapter", nullptr},
      {"inv_adapter_reduction_factor", nullptr},
      {"is_parallel", false},
      {"learn_phm", true},
      {"leave_out", left_out_layers(model.adapter)},
      {"ln_after", false},
      {"ln_before", false},
      {"mh_adapter", !pfeiffer},
      {"non_linearity", to_string(model.adapter.activation)},
      {"original_ln_after", true},
      {"original_ln_before", pfeiffer},
      {"output_adapter", true},
      {"phm_bias", true},
      {"phm_c_init", "normal"},
      {"phm_dim", 4},
      {"phm_init_range", 0.0001},
      {"phm_layer", false},
      {"phm_rank", 1},
      {"reduction_factor", reduction_factor(model.adapter, config.hidden_size)},
      {"residual_before_ln", true},
      {"scaling", 1.0},  // an integer here fails to load
      {"shared_W_phm", false},
      {"shared_phm_rule", true},
      {"stochastic_depth", 0.0},
      {"use_gating", false},
  };
  return file.dump(2) + "\n";
}

json label_ids(const TaskModel& model) {
  json ids = json::object();
  for (std::size_t i = 0; i < model.labels.size(); ++i) ids[model.labels[i]] = i;
  return ids;
}

std::string head_config(const TaskModel& model, const BackboneConfig& config,
                        const Provenance& provenance) {
  json file = common_members(model, config, provenance);
  file["config"] = {{"activation_function", "tanh"},
                    {"bias", true},
                    {"dropout_prob", nullptr},
                    {"head_type", kind_named(provenance.order.task_kind).head_type()},
                    {"label2id", label_ids(model)},
                    {"layers", 2},
                    {"num_labels", model.labels.size()},
                    {"use_pooler", false}};
  return file.dump(2) + "\n";
}

// The lists of names that writing and reading share.
struct TensorLists {
  NamedTensors adapter, layer_norms, head;
};

TensorLists tensor_lists(const TaskModel& model) {
  TensorLists lists;
  visit_tensors(model.adapter, model.name, [&](const std::string& key, const at::Tensor& tensor) {
    const bool norm = key.find(".LayerNorm.") != std::string::npos;
    (norm ? lists.layer_norms : lists.adapter).emplace_back(key, tensor);
  });
  visit_tensors(model.head, model.name, [&](const std::string& key, const at::Tensor& tensor) {
    lists.head.emplace_back(key, tensor);
  });
  return lists;
}

std::string own_description(const Provenance& provenance) {
  json file = json::parse(write_provenance(provenance));
  file["notes"] = json::array();
  if (provenance.order.method == AdapterMethod::head)
    file["notes"].push_back(
        "Only the head was trained, on the backbone as it is. load_adapter() needs an adapter to "
        "load, so adapter_config.json describes one that leaves out every layer: it has no "
        "tensors and changes nothing.");
  if (provenance.order.train_layer_norm)
    file["notes"].push_back(
        "The LayerNorms were trained, too, and lie in layer_norm.safetensors by the backbone's "
        "keys. "
        "AdapterHub has no place for them: load_adapter() loads the adapter without them, and its "
        "results then differ. Copy them into the model, or train without train_layer_norm.");
  return file.dump(2) + "\n";
}

const std::string& member(const ArchiveFiles& files, const char* name) {
  const auto found = files.find(name);
  if (found == files.end()) throw BundleError(std::string("has no ") + name);
  return found->second;
}

// Copies the file's tensors over the model's; both must hold exactly the same names and shapes.
void read_tensors(const ArchiveFiles& files, const char* name, const NamedTensors& into) {
  const Safetensors file = read_safetensors(member(files, name));
  if (file.tensors.size() != into.size())
    throw BundleError(std::string(name) + " has " + std::to_string(file.tensors.size()) +
                      " tensors, " + std::to_string(into.size()) + " are needed");
  for (const auto& [key, tensor] : into) {
    const auto found = file.tensors.find(key);
    if (found == file.tensors.end()) throw BundleError(std::string(name) + " lacks " + key);
    if (tensor.sizes() != at::IntArrayRef(found->second.shape))
      throw BundleError(std::string(name) + ": " + key + " has the wrong shape");
    tensor.copy_(float_tensor(found->second));
  }
}

// What sizes and tables depend on, as training has checked it.
void check_fits(const Provenance& provenance, const BackboneConfig& config) {
  const LaneOrder& order = provenance.order;
  if (provenance.labels.empty()) throw BundleError("graft.json has no labels");
  if (order.size < 1 || order.size > 1 << 20)
    throw BundleError("graft.json: size " + std::to_string(order.size) + " is out of range");
  std::int64_t least = 0;
  for (const int layer : order.leave_out) {
    if (layer < least || layer >= config.layers)
      throw BundleError("graft.json: leave_out names a layer that is out of place");
    least = layer + 1;
  }
}

}  // namespace

std::string reduction_factor_json(std::int64_t hidden_size, std::int64_t size) {
  if (hidden_size % size == 0) return json(hidden_size / size).dump();
  return json(static_cast<double>(hidden_size) / (static_cast<double>(size) + 0.5)).dump();
}

std::string write_bundle(const std::filesystem::path& path, const TaskModel& model,
                         const BackboneConfig& config, const Provenance& provenance) {
  const TensorLists lists = tensor_lists(model);
  ArchiveFiles files;
  files["adapter_config.json"] = adapter_config(model, config, provenance);
  files["adapter.safetensors"] = write_safetensors(lists.adapter);
  files["pytorch_adapter.bin"] = write_torch_file(lists.adapter);
  files["head_config.json"] = head_config(model, config, provenance);
  files["model_head.safetensors"] = write_safetensors(lists.head);
  files["pytorch_model_head.bin"] = write_torch_file(lists.head);
  if (!lists.layer_norms.empty())
    files["layer_norm.safetensors"] = write_safetensors(lists.layer_norms);
  files["labels.json"] =
      json{{"labels", model.labels}, {"label2id", label_ids(model)}}.dump(2) + "\n";
  files["graft.json"] = own_description(provenance);
  const std::string bytes = write_archive(files);
  write_file_atomically(path, bytes);
  return sha256_of_bytes(bytes);
}

Bundle read_bundle(std::string_view zip_bytes, const BackboneWeights& backbone) {
  try {
    const ArchiveFiles files = read_archive(zip_bytes, bundle_limit);
    Bundle bundle;
    bundle.provenance = parse_provenance(member(files, "graft.json"));
    if (bundle.provenance.backbone_sha256 != backbone.sha256)
      throw BundleError("was trained on another backbone");
    check_fits(bundle.provenance, backbone.config);
    bundle.model = make_task_model(bundle.provenance.order, bundle.provenance.labels, backbone);
    const TensorLists lists = tensor_lists(bundle.model);
    read_tensors(files, "adapter.safetensors", lists.adapter);
    read_tensors(files, "model_head.safetensors", lists.head);
    if (!lists.layer_norms.empty())
      read_tensors(files, "layer_norm.safetensors", lists.layer_norms);
    return bundle;
  } catch (const ArchiveError& error) {
    throw BundleError(error.what());
  } catch (const SafetensorsError& error) {
    throw BundleError(error.what());
  } catch (const ProtocolError& error) {
    throw BundleError(std::string("graft.json: ") + error.what());
  }
}

}  // namespace graft
