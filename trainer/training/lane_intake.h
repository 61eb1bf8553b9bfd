// How lanes come into a run: read ahead by the feed, built, and put where an earlier process at the
// same order left them. For the training thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trainer/training/checkpoint.h"
#include "trainer/training/lane.h"
#include "trainer/training/lane_feed.h"
#include "trainer/training/run_history.h"
#include "trainer/training/run_report.h"

namespace graft {

class LaneIntake {
 public:
  // earlier: checkpoint of an earlier process, where there is one for this order. All that is
  // referred to must outlive the intake. Throws as LaneFeed.
  LaneIntake(const Order& order, const std::string& order_sha256, const BackboneWeights& backbone,
             RunReport& report, std::optional<TrainingState> earlier);

  // Tells every lane why there is no checkpoint though there was one.
  void regret(const std::string& problem);

  // Lanes that are read join those that train. Waits only where there is none, and then a little
  // for more: lanes that begin together share every step. False: stop() said so.
  bool take_in(std::vector<std::unique_ptr<Lane>>& lanes, const std::function<bool()>& stop);

  // No lane is still to come.
  bool exhausted() const { return feed_.exhausted(); }

  // Adds lanes that were under way and wait for their data to be read again.
  void add_waiting(TrainingState& checkpoint) const;

 private:
  std::vector<int> lanes_to_train() const;
  void join(std::vector<std::unique_ptr<Lane>>& lanes, LaneFeed::Ready ready);
  bool go_on_from_checkpoint(Lane& lane);

  const Order& order_;
  const BackboneWeights& backbone_;
  RunReport& report_;
  const RunHistory history_;
  std::optional<TrainingState> earlier_;  // tensors are gone where their lane went on
  LaneFeed feed_;
};

}  // namespace graft
