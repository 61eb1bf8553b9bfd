// Bundles: what AdapterHub needs is in them, and they come back as they went.
#include "trainer/bundle/export_adapterhub.h"

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/trainer/tiny_task.h"
#include "trainer/bundle/archive.h"

namespace graft {
namespace {

using nlohmann::json;

struct Written {
  std::shared_ptr<const BackboneWeights> backbone = load_backbone(tiny_bert());
  ScratchDirectory scratch;
  TaskModel model;
  std::string bytes, sha256;

  explicit Written(LaneOrder order) {
    order.adapter_name = "t_1";
    model = make_task_model(order, {"no", "yes", "zebra"}, *backbone);
    initialize(model, order, *backbone);
    Provenance provenance;
    provenance.order = order;
    provenance.backbone_name = "tiny";
    provenance.backbone_sha256 = backbone->sha256;
    provenance.program_version = "1.2.3";
    provenance.labels = model.labels;
    const auto path = scratch.path() / "result.zip";
    sha256 = write_bundle(path, model, backbone->config, provenance);
    bytes = read_text(path);
  }
};

}  // namespace

TEST_CASE("reduction_factor gives every size back through AdapterHub's floor division") {
  for (const std::int64_t hidden : {128, 256, 312, 384, 512, 768, 1024})
    for (std::int64_t size = 1; size <= hidden; ++size) {
      const json factor = json::parse(reduction_factor_json(hidden, size));
      const double quotient = std::floor(static_cast<double>(hidden) / factor.get<double>());
      REQUIRE(static_cast<std::int64_t>(quotient) == size);
      if (hidden % size == 0) REQUIRE(factor.is_number_integer());
    }
}

TEST_CASE("a bundle holds every file and member that AdapterHub reads") {
  LaneOrder order;
  order.size = 5;
  const Written written(order);
  CHECK(written.sha256 == sha256_of_bytes(written.bytes));
  const ArchiveFiles files = read_archive(written.bytes, 1 << 30);
  const json adapter = json::parse(files.at("adapter_config.json"));
  CHECK(files.at("adapter_config.json").find("\"scaling\": 1.0") != std::string::npos);
  CHECK(adapter["version"] == "adapters.1.3.0");
  CHECK(adapter["name"] == "t_1");
  CHECK(adapter["model_class"] == "BertAdapterModel");
  CHECK(adapter["backbone_sha256"] == written.backbone->sha256);
  CHECK(adapter["config"]["mh_adapter"] == true);
  CHECK(adapter["config"]["non_linearity"] == "swish");
  CHECK_FALSE(adapter["config"].contains("architecture"));
  CHECK_FALSE(adapter.contains("type"));
  const json head = json::parse(files.at("head_config.json"));
  CHECK(head["config"]["label2id"] == json{{"no", 0}, {"yes", 1}, {"zebra", 2}});
  CHECK(head["config"]["num_labels"] == 3);
  const Safetensors tensors = read_safetensors(files.at("adapter.safetensors"));
  CHECK(tensors.tensors.size() == 16);
  CHECK(tensors.tensors.contains(
      "bert.encoder.layer.1.attention.output.adapters.t_1.adapter_down.0.weight"));
  CHECK(read_safetensors(files.at("model_head.safetensors")).tensors.contains("heads.t_1.4.bias"));
  CHECK_FALSE(files.contains("layer_norm.safetensors"));
  CHECK(json::parse(files.at("graft.json"))["labels"] == json{"no", "yes", "zebra"});
}

TEST_CASE("the .bin files hold the tensors of the .safetensors files") {
  LaneOrder order;
  order.size = 5;
  order.method = AdapterMethod::pfeiffer;
  const Written written(order);
  const ArchiveFiles files = read_archive(written.bytes, 1 << 30);
  const std::pair<const char*, const char*> pairs[] = {
      {"pytorch_adapter.bin", "adapter.safetensors"},
      {"pytorch_model_head.bin", "model_head.safetensors"}};
  for (const auto& [pickle_name, tensors_name] : pairs) {
    const std::string& text = files.at(pickle_name);
    const auto pickle = torch::pickle_load(std::vector<char>(text.begin(), text.end()));
    const Safetensors tensors = read_safetensors(files.at(tensors_name));
    CHECK(pickle.toGenericDict().size() == tensors.tensors.size());
    for (const auto& item : pickle.toGenericDict())
      CHECK(at::equal(item.value().toTensor(),
                      float_tensor(tensors.tensors.at(item.key().toStringRef()))));
  }
}

TEST_CASE("a bundle read back is the model that was written") {
  LaneOrder order;
  order.size = 7;
  order.activation = Activation::gelu;
  order.train_layer_norm = true;
  order.max_length = 24;
  const Written written(order);
  const Bundle bundle = read_bundle(written.bytes, *written.backbone);
  CHECK(bundle.model.labels == written.model.labels);
  CHECK(bundle.model.max_length == 24);
  CHECK(bundle.provenance.program_version == "1.2.3");
  std::map<std::string, at::Tensor> expected;
  visit_tensors(written.model,
                [&](const std::string& key, const at::Tensor& tensor) { expected[key] = tensor; });
  std::size_t compared = 0;
  visit_tensors(bundle.model, [&](const std::string& key, const at::Tensor& tensor) {
    CHECK(at::equal(tensor, expected.at(key)));
    ++compared;
  });
  CHECK(compared == expected.size());
}

TEST_CASE("layers that are left out are named in the config and have no tensors") {
  for (const AdapterMethod method : {AdapterMethod::houlsby, AdapterMethod::pfeiffer}) {
    LaneOrder order;
    order.method = method;
    order.size = 5;
    order.leave_out = {0};
    order.train_layer_norm = true;
    const Written written(order);
    const ArchiveFiles files = read_archive(written.bytes, 1 << 30);
    CHECK(json::parse(files.at("adapter_config.json"))["config"]["leave_out"] == json{0});
    CHECK(json::parse(files.at("graft.json"))["hyperparameters"]["leave_out"] == json{0});
    const bool houlsby = method == AdapterMethod::houlsby;
    const Safetensors adapter = read_safetensors(files.at("adapter.safetensors"));
    CHECK(adapter.tensors.size() == (houlsby ? 8 : 4));
    const Safetensors norms = read_safetensors(files.at("layer_norm.safetensors"));
    CHECK(norms.tensors.size() == 4);
    for (const auto* tensors : {&adapter.tensors, &norms.tensors})
      for (const auto& [key, tensor] : *tensors) CHECK(key.starts_with("bert.encoder.layer.1."));
    const Bundle bundle = read_bundle(written.bytes, *written.backbone);
    CHECK(bundle.provenance.order.leave_out == std::vector<int>{0});
    CHECK_FALSE(bundle.model.adapter.layers.at(0).feed_forward.bottleneck);
    CHECK(at::equal(bundle.model.adapter.layers.at(1).feed_forward.bottleneck->down.weight,
                    written.model.adapter.layers.at(1).feed_forward.bottleneck->down.weight));
  }
}

TEST_CASE("the bundle of a head alone has an adapter of no layer, and comes back") {
  LaneOrder order;
  order.method = AdapterMethod::head;
  const Written written(order);
  const ArchiveFiles files = read_archive(written.bytes, 1 << 30);
  const json config = json::parse(files.at("adapter_config.json"))["config"];
  CHECK(config["leave_out"] == json{0, 1});
  CHECK(config["reduction_factor"] == 16);
  CHECK(read_safetensors(files.at("adapter.safetensors")).tensors.empty());
  const std::string& pickle = files.at("pytorch_adapter.bin");
  CHECK(
      torch::pickle_load(std::vector<char>(pickle.begin(), pickle.end())).toGenericDict().empty());
  const json own = json::parse(files.at("graft.json"));
  CHECK(own["hyperparameters"]["method"] == "head");
  CHECK_FALSE(own["hyperparameters"].contains("size"));
  CHECK(own["notes"].size() == 1);
  const Bundle bundle = read_bundle(written.bytes, *written.backbone);
  CHECK(bundle.provenance.order.method == AdapterMethod::head);
  std::size_t compared = 0;
  std::map<std::string, at::Tensor> expected;
  visit_tensors(written.model,
                [&](const std::string& key, const at::Tensor& tensor) { expected[key] = tensor; });
  visit_tensors(bundle.model, [&](const std::string& key, const at::Tensor& tensor) {
    CHECK(at::equal(tensor, expected.at(key)));
    ++compared;
  });
  CHECK(compared == 4);
  CHECK(expected.size() == 4);
}

TEST_CASE("a damaged bundle or another backbone's is refused") {
  const Written written(LaneOrder{});
  for (std::size_t cut : {std::size_t{0}, std::size_t{100}, written.bytes.size() - 1})
    CHECK_THROWS_AS(read_bundle(written.bytes.substr(0, cut), *written.backbone), BundleError);
  std::string flipped = written.bytes;
  flipped[flipped.size() / 3] = static_cast<char>(flipped[flipped.size() / 3] ^ 1);
  CHECK_THROWS_AS(read_bundle(flipped, *written.backbone), BundleError);
  BackboneWeights other = *written.backbone;
  other.sha256 = std::string(64, '0');
  CHECK_THROWS_AS(read_bundle(written.bytes, other), BundleError);
}

}  // namespace graft
