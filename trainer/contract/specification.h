// What a trial is told: its method and hyperparameters, and the one description of them. From the
// table are made or checked: order.json, graft.json, the stored text, the body of a job's creation
// with its ranges, the job object, docs/openapi.yaml and the table in docs/api.md.
// A new hyperparameter is a member here, a row in specification.cpp, and the code that uses it.
// Torch-free, no state: any thread may call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "trainer/contract/backbone_identity.h"
#include "trainer/contract/row_shape.h"
#include "trainer/contract/task_kind.h"

namespace graft {

// Where the adapter sits: docs/adapter_file.md has the arithmetic.
// head: none at all, only the task's head is trained.
enum class AdapterMethod { houlsby, pfeiffer, head };
std::string_view to_string(AdapterMethod method);
std::optional<AdapterMethod> parse_adapter_method(std::string_view text);

// Non-linearity of the bottleneck, by AdapterHub's names.
enum class Activation { swish, relu, gelu, gelu_new, tanh };
std::string_view to_string(Activation activation);
std::optional<Activation> parse_activation(std::string_view text);

// Every value resolved; only what kind of task the data are is left to the worker that reads them.
struct Specification {
  TaskKind task_kind = TaskKind::automatic;
  Columns columns;
  AdapterMethod method = AdapterMethod::houlsby;
  int size = 64;
  std::vector<int> leave_out;  // layers, rising from 0
  Activation activation = Activation::swish;
  double init_std = 0.02;
  bool train_layer_norm = false;
  double learning_rate = 1e-3;
  int batch_size = 32;
  int n_epochs = 3;
  int max_length = 128;
  double warmup_ratio = 0.1;
  double weight_decay = 0.0;
  double validation_fraction = 0.1;
  std::uint64_t seed = 42;
  double gradient_clip = 1.0;
  bool operator==(const Specification&) const = default;
};

// Of a head alone (method head). Measured on TREC, 3 epochs, 20 seeds: 72.8 % with it, 72.0 % with
// the adapters' rate; on SST-2 no difference.
inline constexpr double head_learning_rate = 3e-3;

// Of numbers. Beside least to most, `also_zero` takes 0 where 0 means "none of it": what lies
// between is so little that nobody can have meant it.
struct HyperparameterRange {
  double least = 0, most = 0;
  bool also_zero = false;
};

struct Hyperparameter {
  // Of a job's body. contract: a member of the contract, read on its own.
  enum class Place { contract, body, hyperparameters, adapter };
  using Member =
      std::variant<int Specification::*, std::uint64_t Specification::*, double Specification::*,
                   bool Specification::*, AdapterMethod Specification::*,
                   Activation Specification::*, TaskKind Specification::*, Columns Specification::*,
                   std::vector<int> Specification::*>;

  std::string_view name;
  Place place;
  Member member;
  HyperparameterRange range;                // of numbers
  std::string_view doc;                     // one sentence, without its full stop
  int BackboneSummary::*at_most = nullptr;  // the backbone's own limit
  std::string_view values = {};             // in words, where the range does not say it all
  std::string_view default_words = {};      // where the default is no plain value
  // Not of the first programs: files may lack it, and its default is not written, so that an
  // order without it keeps its hash.
  bool later = false;
  // Stands beside the data files in order.json and graft.json.
  bool of_data = false;

  // Whether a trial of this method has it; a head alone has nothing of an adapter but the method.
  bool belongs_to(AdapterMethod method) const;
  std::string path() const;  // in a job's body, e.g. "adapter.size"
};

std::span<const Hyperparameter> hyperparameters();
const Hyperparameter& hyperparameter(std::string_view name);  // must be there

// What "auto" means: the tested defaults, held to the backbone's sizes. Sizes of 0: not known.
Specification default_specification(const BackboneSummary& backbone);

// JSON of all members, as storage keeps it. parse_: ProtocolError; members that are
// not there keep their defaults.
std::string write_specification(const Specification& specification);
Specification parse_specification(std::string_view text);

// ---- What documents say of a hyperparameter -----------------------------------------------------

std::string values_in_words(const Hyperparameter& entry);
std::string default_in_words(const Hyperparameter& entry);
// "| `adapter.size` | 1 to 1024, …; … | 64 |", of docs/api.md.
std::string table_row(const Hyperparameter& entry);
// "Bottleneck width: 1 to 1024; default 64.", of docs/openapi.yaml.
std::string sentence(const Hyperparameter& entry);

}  // namespace graft
