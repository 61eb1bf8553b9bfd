// The model against tensors exported from AdapterHub (tools/export_reference.py), and lanes
// together against lanes alone.
#include <doctest/doctest.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "trainer/model/encoder_bert.h"
#include "trainer/model/safetensors.h"
#include "trainer/model/task_model.h"
#include "trainer/tasks/kind.h"
#include "trainer/training/learning_rate.h"
#include "trainer/training/optimizer.h"

namespace graft {
namespace {

const std::filesystem::path tiny_bert =
    std::filesystem::path(GRAFT_SOURCE_DIR) / "tests/reference/tiny_bert";

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.detach() - b.detach()).abs().max().item<double>();
}

struct Reference {
  explicit Reference(const std::string& name)
      : file(tiny_bert / (name + ".safetensors")), stored(read_safetensors(file.text())) {}

  at::Tensor operator[](const std::string& key) const {
    const auto found = stored.tensors.find(key);
    if (found == stored.tensors.end()) throw std::runtime_error("no reference " + key);
    return float_tensor(found->second);
  }

  TokenizedRows rows(int batch) const {
    const std::string prefix = "batch." + std::to_string(batch) + ".";
    const at::Tensor ids = (*this)[prefix + "ids"], types = (*this)[prefix + "types"];
    const at::Tensor lengths = (*this)[prefix + "lengths"];
    TokenizedRows rows;
    for (std::int64_t r = 0; r < ids.size(0); ++r) {
      Encoding row;
      for (std::int64_t i = 0; i < lengths[r].item<float>(); ++i) {
        row.ids.push_back(static_cast<std::int32_t>(ids[r][i].item<float>()));
        row.type_ids.push_back(static_cast<std::uint8_t>(types[r][i].item<float>()));
      }
      rows.append(row);
    }
    return rows;
  }

  at::Tensor labels(int batch) const {
    return (*this)["batch." + std::to_string(batch) + ".labels"].to(at::kLong);
  }

  MappedFile file;
  Safetensors stored;
};

LaneOrder order_of(const std::string& method) {
  LaneOrder order;
  order.adapter_name = "reference";
  order.method = *parse_adapter_method(method);
  order.size = method == "houlsby" ? 6 : 5;
  order.activation = method == "houlsby" ? Activation::swish : Activation::relu;
  return order;
}

TaskModel start_model(const Reference& reference, const std::string& method,
                      const BackboneWeights& backbone) {
  TaskModel model = make_task_model(order_of(method), {"a", "b", "c"}, backbone);
  visit_tensors(model, [&](const std::string& key, at::Tensor& tensor) {
    tensor.copy_(reference["start." + key]);
  });
  return model;
}

AdamW optimizer_of(TaskModel& model) {
  std::vector<at::Tensor*> tensors;
  visit_tensors(model, [&](const std::string&, at::Tensor& tensor) { tensors.push_back(&tensor); });
  return AdamW(tensors);
}

at::Tensor logits_of(const BackboneWeights& backbone, const TaskModel& model,
                     const TokenizedRows& rows) {
  const std::vector<std::size_t> chosen{0, 1, 2, 3};
  const LaneRows lane_rows{&rows, chosen};
  const ForwardLane lane{&model, {}};
  return forward(backbone, {&lane, 1}, pack({&lane_rows, 1})).front();
}

}  // namespace

TEST_CASE("logits, loss and every gradient equal AdapterHub's") {
  for (const std::string method : {"houlsby", "pfeiffer"}) {
    CAPTURE(method);
    const auto backbone = load_backbone(tiny_bert);
    const Reference reference(method);
    TaskModel model = start_model(reference, method, *backbone);
    AdamW optimizer = optimizer_of(model);

    const at::Tensor logits = logits_of(*backbone, model, reference.rows(0));
    const at::Tensor loss = kind_named(TaskKind::classification).loss(logits, reference.labels(0));
    CHECK(distance(logits, reference["logits"]) < 1e-5);
    CHECK(distance(loss, reference["loss"]) < 1e-5);

    loss.backward();
    int compared = 0;
    visit_tensors(model, [&](const std::string& key, const at::Tensor& tensor) {
      CAPTURE(key);
      CHECK(distance(tensor.grad(), reference["gradient." + key]) < 1e-5);
      ++compared;
    });
    CHECK(compared == (method == "houlsby" ? 20 : 12));
  }
}

TEST_CASE("ten training losses and the tensors after them equal AdapterHub's") {
  for (const std::string method : {"houlsby", "pfeiffer"}) {
    CAPTURE(method);
    const auto backbone = load_backbone(tiny_bert);
    const Reference reference(method);
    TaskModel model = start_model(reference, method, *backbone);
    AdamW optimizer = optimizer_of(model);
    ThreadPool threads(1);
    for (int step = 0; step < 10; ++step) {
      CAPTURE(step);
      const at::Tensor logits = logits_of(*backbone, model, reference.rows(step));
      const at::Tensor loss =
          kind_named(TaskKind::classification).loss(logits, reference.labels(step));
      CHECK(distance(loss, reference["losses"][step]) < 1e-5);
      loss.backward();
      optimizer.update(learning_rate_at(step, 10, warmup_steps(10, 0.1), 1e-2), 0.01, 1.0, threads);
    }
    visit_tensors(model, [&](const std::string& key, const at::Tensor& tensor) {
      CAPTURE(key);
      CHECK(distance(tensor, reference["end." + key]) < 1e-4);
    });
  }
}

TEST_CASE("frozen weights get no gradient and stay as they are on disk") {
  const auto backbone = load_backbone(tiny_bert);
  const Reference reference("houlsby");
  TaskModel model = start_model(reference, "houlsby", *backbone);
  AdamW optimizer = optimizer_of(model);
  const at::Tensor logits = logits_of(*backbone, model, reference.rows(0));
  kind_named(TaskKind::classification).loss(logits, reference.labels(0)).backward();
  ThreadPool threads(1);
  optimizer.update(1e-2, 0.0, 1.0, threads);
  CHECK_FALSE(backbone->layers[0].query.weight.requires_grad());
  CHECK_FALSE(backbone->layers[1].output.weight.grad().defined());
  CHECK(backbone->sha256 == backbone_sha256(tiny_bert));
}

TEST_CASE("a layer that is left out computes and trains as if its adapter added nothing") {
  for (const std::string method : {"houlsby", "pfeiffer"}) {
    CAPTURE(method);
    const auto backbone = load_backbone(tiny_bert);
    const Reference reference(method);
    TaskModel silent = start_model(reference, method, *backbone);
    for (AdaptedSubBlock* part :
         {&silent.adapter.layers[0].attention, &silent.adapter.layers[0].feed_forward})
      if (part->bottleneck) {
        part->bottleneck->up.weight.zero_();
        part->bottleneck->up.bias.zero_();
      }
    LaneOrder order = order_of(method);
    order.leave_out = {0};
    TaskModel model = make_task_model(order, {"a", "b", "c"}, *backbone);
    std::map<std::string, at::Tensor> expected;
    visit_tensors(
        silent, [&](const std::string& key, at::Tensor& tensor) { expected.emplace(key, tensor); });
    std::size_t tensors = 0;
    visit_tensors(model, [&](const std::string& key, at::Tensor& tensor) {
      CHECK_FALSE(key.starts_with("bert.encoder.layer.0."));
      tensor.copy_(expected.at(key));
      ++tensors;
    });
    CHECK(tensors == (method == "houlsby" ? 12 : 8));
    // Moves the tensors to memory of its own.
    const AdamW silent_optimizer = optimizer_of(silent), optimizer = optimizer_of(model);
    visit_tensors(silent,
                  [&](const std::string& key, at::Tensor& tensor) { expected.at(key) = tensor; });

    const auto backward = [&](const TaskModel& of) {
      const at::Tensor logits = logits_of(*backbone, of, reference.rows(0));
      kind_named(TaskKind::classification).loss(logits, reference.labels(0)).backward();
      return logits;
    };
    CHECK(distance(backward(model), backward(silent)) < 1e-6);
    visit_tensors(model, [&](const std::string& key, const at::Tensor& tensor) {
      CAPTURE(key);
      CHECK(distance(tensor.grad(), expected.at(key).grad()) < 1e-6);
    });
  }
}

TEST_CASE("a head alone trains four tensors on the backbone as it is") {
  const auto backbone = load_backbone(tiny_bert);
  const Reference reference("houlsby");
  LaneOrder order = order_of("houlsby");
  order.method = AdapterMethod::head;
  TaskModel model = make_task_model(order, {"a", "b", "c"}, *backbone);
  initialize(model, order, *backbone);
  const AdamW optimizer = optimizer_of(model);
  const std::vector<std::size_t> chosen{0, 1, 2, 3};
  const TokenizedRows rows = reference.rows(0);
  const LaneRows lane_rows{&rows, chosen};
  const at::Tensor states = encode(*backbone, {{EncoderLane{}}}, pack({&lane_rows, 1}));
  const at::Tensor logits = logits_of(*backbone, model, rows);
  CHECK(distance(logits, head_logits(model.head, states, 0.0, {}, {})) < 1e-6);
  kind_named(TaskKind::classification).loss(logits, reference.labels(0)).backward();
  std::vector<std::string> keys;
  visit_tensors(model, [&](const std::string& key, const at::Tensor& tensor) {
    CHECK(tensor.grad().defined());
    keys.push_back(key);
  });
  CHECK(keys == std::vector<std::string>{"heads.reference.1.weight", "heads.reference.1.bias",
                                         "heads.reference.4.weight", "heads.reference.4.bias"});
}

TEST_CASE("a batch's rows answer in the order they were asked for, whatever their lengths") {
  const auto backbone = load_backbone(tiny_bert);
  const Reference reference("houlsby");
  const TaskModel model = start_model(reference, "houlsby", *backbone);
  const TokenizedRows rows = reference.rows(1);
  const at::Tensor together = logits_of(*backbone, model, rows);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const LaneRows lane_rows{&rows, {&r, 1}};
    const ForwardLane lane{&model, {}};
    const at::Tensor alone = forward(*backbone, {&lane, 1}, pack({&lane_rows, 1})).front();
    CHECK(distance(alone[0], together[static_cast<std::int64_t>(r)]) < 1e-5);
  }
}

}  // namespace graft
