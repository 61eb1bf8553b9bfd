// From records.jsonl to what is done already.
#include "trainer/training/run_history.h"

#include <algorithm>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "trainer/contract/record.h"
#include "trainer/durable/sha256.h"
#include "trainer/text/mapped_file.h"

namespace graft {
namespace {

class Reader {
 public:
  Reader(const std::filesystem::path& run_directory, const std::string& order_sha256)
      : run_directory_(run_directory), order_sha256_(order_sha256) {}

  void take(const RunStarted& started) {
    counts_ = started.order_sha256 == order_sha256_;
    if (counts_) return;
    history_ = {};
    bundles_.clear();
  }
  template <class Body>
  void take_if_it_counts(const Body& body) {
    if (counts_ || std::is_same_v<Body, RunStarted>) take(body);
  }
  void take(const DataReady& ready) { history_.data_ready.insert(ready.lane); }
  void take(const EpochEnded& ended) {
    int& last = history_.epochs_ended[ended.lane];
    last = std::max(last, ended.epoch);
  }
  void take(const LaneFinished& finished) {
    bundles_[finished.lane] = finished;
    history_.failed.erase(finished.lane);
  }
  void take(const LaneFailed& failed) {
    if (failed.code != "disk_full") history_.failed.insert(failed.lane);
  }
  template <class Other>
  void take(const Other&) {}

  RunHistory finish() {
    for (const auto& [lane, finished] : bundles_)
      if (is_there(finished)) history_.finished.insert(lane);
    return std::move(history_);
  }

 private:
  bool is_there(const LaneFinished& finished) const {
    try {
      return sha256_of_file(run_directory_ / finished.bundle) == finished.bundle_sha256;
    } catch (const std::system_error&) {
      return false;
    }
  }

  const std::filesystem::path& run_directory_;
  const std::string& order_sha256_;
  bool counts_ = false;  // what comes now is of our order
  RunHistory history_;
  std::map<int, LaneFinished> bundles_;
};

}  // namespace

RunHistory read_history(const std::filesystem::path& run_directory,
                        const std::string& order_sha256) {
  Reader reader(run_directory, order_sha256);
  const std::filesystem::path path = run_directory / "records.jsonl";
  if (!std::filesystem::exists(path)) return {};
  const MappedFile file(path);
  std::string_view text = file.text();
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find("\"type\":\"progress\"") != std::string_view::npos) continue;  // most of them
    try {
      std::visit([&](const auto& body) { reader.take_if_it_counts(body); },
                 parse_record(line).body);
    } catch (const ProtocolError&) {  // torn by the end of its writer
    }
  }
  return reader.finish();
}

}  // namespace graft
