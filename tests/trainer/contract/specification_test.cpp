// The table of hyperparameters, and what is made of it.
#include "trainer/contract/specification.h"

#include <doctest/doctest.h>

#include <set>

#include "trainer/contract/order.h"

namespace graft {
namespace {

Specification unusual() {
  Specification specification;
  specification.method = AdapterMethod::pfeiffer;
  specification.size = 7;
  specification.leave_out = {0, 2};
  specification.activation = Activation::gelu_new;
  specification.init_std = 0.3 * 0.1;
  specification.train_layer_norm = true;
  specification.learning_rate = 0.3 * 0.001;
  specification.batch_size = 3;
  specification.n_epochs = 9;
  specification.max_length = 31;
  specification.warmup_ratio = 1.0 / 3;
  specification.weight_decay = 1e-7;
  specification.validation_fraction = 0.49;
  specification.seed = 2147483647;
  specification.gradient_clip = 0.3;
  return specification;
}

}  // namespace

TEST_CASE("every hyperparameter has one row, a sentence, a default in its range") {
  std::set<std::string_view> names;
  for (const Hyperparameter& entry : hyperparameters()) {
    CAPTURE(entry.name);
    CHECK(names.insert(entry.name).second);
    CHECK_FALSE(entry.doc.empty());
    CHECK(entry.doc.back() != '.');
  }
  CHECK(hyperparameter("size").path() == "adapter.size");
  CHECK(hyperparameter("n_epochs").path() == "hyperparameters.n_epochs");
  CHECK(hyperparameter("weight_decay").path() == "weight_decay");
}

TEST_CASE("a specification comes back from its text bit for bit") {
  CHECK(parse_specification(write_specification(unusual())) == unusual());
  CHECK(parse_specification("{}") == Specification{});
  CHECK_THROWS_AS(parse_specification(R"({"method":"lora"})"), ProtocolError);
  CHECK_THROWS_AS(parse_specification(R"({"size":"7"})"), ProtocolError);
  CHECK_THROWS_AS(parse_specification("[]"), ProtocolError);
}

TEST_CASE("a head alone has nothing of an adapter") {
  Specification head = unusual();
  head.method = AdapterMethod::head;
  const std::string text = write_specification(head);
  CHECK(text.find("init_std") == std::string::npos);
  CHECK(text.find("leave_out") == std::string::npos);
  CHECK(parse_specification(text).learning_rate == head.learning_rate);
}

TEST_CASE("defaults are held to the backbone's sizes") {
  BackboneSummary small;
  small.hidden_size = 32;
  small.max_positions = 40;
  CHECK(default_specification(small).size == 32);
  CHECK(default_specification(small).max_length == 40);
  CHECK(default_specification({}) == Specification{});
}

TEST_CASE("a later hyperparameter is written where it is not the default") {
  Specification specification;
  CHECK(write_specification(specification).find("gradient_clip") == std::string::npos);
  specification.gradient_clip = 0.5;
  CHECK(write_specification(specification).ends_with(R"(,"gradient_clip":0.5})"));
}

TEST_CASE("an order's text, on which its hash stands, is that of the first programs") {
  Order order;
  order.lanes.emplace_back();
  const std::string text = write_order(order);
  const std::string lane = text.substr(text.find("validation_fraction"));
  CHECK(lane ==
        "validation_fraction\": 0.1,\n      \"method\": \"houlsby\",\n      \"size\": 64,\n"
        "      \"leave_out\": [],\n      \"activation\": \"swish\",\n      \"init_std\": 0.02,\n"
        "      \"train_layer_norm\": false,\n      \"learning_rate\": 0.001,\n"
        "      \"batch_size\": 32,\n      \"n_epochs\": 3,\n      \"max_length\": 128,\n"
        "      \"warmup_ratio\": 0.1,\n      \"weight_decay\": 0.0,\n      \"seed\": 42\n"
        "    }\n  ]\n}\n");
}

}  // namespace graft
