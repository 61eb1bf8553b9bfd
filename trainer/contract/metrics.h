// What a trial reports: numbers by name, and the one description of them. From the table are made
// records, checkpoints, a version's metrics, the data of events, JSON of the wire and the columns
// of the result file.
// A new metric is a row in metrics.cpp, its name with the kinds that have it (kind_table.cpp), and
// the code that measures it. Torch-free, no state: any thread may call.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trainer/contract/task_kind.h"

namespace graft {

struct Metric {
  enum class Split { training, validation };
  enum class Better { greater, smaller };

  std::string_view name;
  std::string_view doc;  // one sentence, without its full stop
  Split split;
  Better better;
  // As a checkpoint of the contract names it; the second: the same over all rows.
  std::string_view checkpoint_name, full_checkpoint_name = {};
  std::string_view column = {};  // of the result file; empty: none
};

// In the order in which everything lists them.
std::span<const Metric> metric_table();
const Metric& metric(std::string_view name);  // must be there
// To be put into a sentence: "valid_macro_f1" is "macro F1".
std::string words_of(const Metric& metric);

// What validation rows of a kind are measured by, the primary one first.
std::span<const std::string_view> metrics_of(TaskKind kind);
const Metric& primary_metric(TaskKind kind);

// A number each for some of the table's names. What is not finite is absent, so that nothing
// downstream meets a NaN.
class Metrics {
 public:
  Metrics() = default;
  Metrics(std::initializer_list<std::pair<std::string_view, double>> numbers);

  void set(std::string_view name, double value);
  void add(const Metrics& others);  // theirs win
  std::optional<double> get(std::string_view name) const;
  bool empty() const { return numbers_.empty(); }
  bool operator==(const Metrics&) const = default;

 private:
  std::vector<std::pair<std::string, double>> numbers_;  // in the table's order
};

// Whether the epoch with `now` is to be kept rather than the one with `before`: by the primary
// metric, where they tie by the loss; a number is better than none. Without validation numbers the
// later one counts.
bool is_better(const Metric& primary, const Metrics& now, const Metrics& before);

// A JSON object of those that are there, as storage keeps it. parse_: ProtocolError;
// unknown names are left out.
std::string write_metrics_text(const Metrics& metrics);
Metrics parse_metrics_text(std::string_view text);

}  // namespace graft
