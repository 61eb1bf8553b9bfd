// From the labels of a lane's files to what is learned for each row, and which rows validate.
// Torch-free, no state: any thread may call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/task_kind.h"
#include "trainer/text/dataset.h"

namespace graft {

// The different targets of a lane's rows; a row has one of them by its place here.
struct Targets {
  std::vector<std::vector<std::int32_t>> labels;  // places of the labels that it has, rising
  std::vector<double> numbers;                    // of a kind that learns numbers
  double mean = 0, deviation = 1;                 // of the training rows' numbers
};

// Rows of a file by their places in it.
struct ChosenRows {
  std::vector<std::uint32_t> rows;
  std::vector<std::int32_t> targets;  // (rows) places in Targets
};

// Which rows train and which validate, without their texts. Where there is a validation file its
// rows validate, else some of the training rows.
struct TaskPlan {
  TaskKind kind = TaskKind::classification;
  std::vector<std::string> labels;  // names of the outputs, in their order
  Targets targets;
  ChosenRows training;
  ChosenRows validation;  // of the validation file, where there is one
  std::vector<DataNote> notes;
};

struct PlanInput {
  const LabelColumn& training;
  const std::string& training_name;
  const LabelColumn* validation = nullptr;  // nullptr: there is no such file
  const std::string& validation_name;
  double validation_fraction = 0;
  std::uint64_t seed = 0;
};

// ---- For the kinds
// -------------------------------------------------------------------------------

// Throws DataError where only one of the files has pairs, or their targets are written differently.
void check_same_shape(const PlanInput& input);

// Rows to train on and to validate with. training, validation: the place in Targets of each of the
// files' own labels. split: of the training rows, where there is no validation file.
void choose_rows(const PlanInput& input, std::span<const std::int32_t> training,
                 std::span<const std::int32_t> validation, const Split& split, TaskPlan& plan);

// By row what a file's labels have, by label.
std::vector<std::int32_t> of_rows(std::span<const std::int32_t> of_labels,
                                  std::span<const std::int32_t> label_ids);

// The sentence for a validation label that no training row has: with the label that it may have
// meant (the same but for case, or the same number), else with the way out.
std::string unknown_label(std::string_view label, std::span<const std::string> known);

// Throws DataError with the lines of the rows whose own label `faults` has a sentence for; empty
// ones are none.
void refuse_labels(FileRole role, const PlanInput& input, std::span<const std::string> faults);

// A finite number that the whole label writes, of at most 1e30; nullopt: it is none.
std::optional<double> score_of(std::string_view label);

[[noreturn]] void refuse_training_file(const PlanInput& input, const std::string& problem);

// Throws DataError where there are more than max_classes.
void refuse_too_many_labels(const PlanInput& input, std::size_t labels);

// The names of the first few, in quotes.
std::string list_labels(std::span<const std::string> labels, std::span<const std::size_t> places);

// "Classes with fewer than five rows …", "… without a validation row". training, validation: rows
// of each label.
void note_small_labels(TaskPlan& plan, std::span<const std::size_t> training,
                       std::span<const std::size_t> validation);

}  // namespace graft
