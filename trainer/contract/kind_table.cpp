#include "trainer/contract/kind_table.h"

#include <array>

namespace graft {
namespace {

constexpr std::array<std::string_view, 6> classification_metrics{
    "valid_accuracy", "valid_macro_f1", "valid_weighted_f1",
    "valid_matthews", "valid_rare_f1",  "valid_roc_auc"};
constexpr std::array<std::string_view, 3> multi_label_metrics{"valid_macro_f1", "valid_micro_f1",
                                                              "valid_average_precision"};
constexpr std::array<std::string_view, 4> regression_metrics{"valid_pearson", "valid_spearman",
                                                             "valid_mse", "valid_mae"};

constexpr TargetMember label{"label", TargetForm::label, true};
constexpr std::array<TargetMember, 7> any_members{{label,
                                                   {"labels", TargetForm::label_list},
                                                   {"score", TargetForm::score},
                                                   {"similarity_score", TargetForm::score},
                                                   {"category"},
                                                   {"target"},
                                                   {"class"}}};
constexpr std::array<TargetMember, 5> classification_members{
    {label, {"labels", TargetForm::label_list, true}, {"category"}, {"target"}, {"class"}}};
constexpr std::array<TargetMember, 2> multi_label_members{
    {{"labels", TargetForm::label_list, true}, {"label", TargetForm::label_list, true}}};
constexpr std::array<TargetMember, 4> regression_members{
    {{"score", TargetForm::score, true},
     {"similarity_score", TargetForm::score, true},
     {"label", TargetForm::score, true},
     {"target", TargetForm::score}}};

constexpr std::array<KindRow, 4> table{
    {{"auto", "softmax", TargetForm::label, classification_metrics, any_members},
     {"classification", "softmax", TargetForm::label, classification_metrics,
      classification_members},
     {"multi_label", "sigmoid", TargetForm::label_list, multi_label_metrics, multi_label_members},
     {"regression", "none", TargetForm::score, regression_metrics, regression_members}}};
static_assert(table.size() == static_cast<std::size_t>(TaskKind::regression) + 1);

}  // namespace

std::span<const KindRow> kind_table() {
  return table;
}

const KindRow& row_of(TaskKind kind) {
  return table.at(static_cast<std::size_t>(kind));
}

}  // namespace graft
