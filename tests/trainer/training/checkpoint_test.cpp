// Checkpoints: their bytes, and runs that are broken off and go on to the same results.
#include "trainer/training/checkpoint.h"

#include <doctest/doctest.h>

#include <signal.h>
#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>
#include <cmath>

#include <chrono>
#include <thread>

#include "tests/trainer/tiny_run.h"
#include "trainer/bundle/archive.h"
#include "trainer/training/checkpoint_writer.h"
#include "trainer/training/run_history.h"
#include "trainer/training/training_run.h"

namespace graft {
namespace {

using Directory = std::filesystem::path;

// Names and bytes of what a lane's bundle says of its model; graft.json also tells times.
std::map<std::string, std::string> model_files(const Directory& directory, int lane) {
  ArchiveFiles files = bundle(directory, lane);
  Provenance provenance = parse_provenance(files.at("graft.json"));
  provenance.created_at = 0;
  provenance.metrics.training_seconds = provenance.metrics.tokens_per_second = 0;
  files["graft.json"] = write_provenance(provenance);
  return {files.begin(), files.end()};
}

TrainingState small_checkpoint() {
  TrainingState checkpoint;
  checkpoint.header.program_version = "1.2";
  checkpoint.header.order_sha256 = std::string(64, 'a');
  for (const int lane : {0, 2}) {
    LanePosition position;
    position.lane = lane;
    position.step = 7;
    position.optimizer_steps = 7;
    position.parameters = 5;
    position.labels = {"no", "yes"};
    position.sums.loss = 0.1;
    LaneTensors tensors;
    tensors.optimizer = {torch::randn({5}), torch::randn({5}), torch::rand({5}), 7};
    if (lane == 2) {
      position.best = EpochEnded{
          2, 1, 4, {{"train_loss", 0.5}, {"valid_accuracy", 0.75}}, "valid_accuracy", true};
      tensors.best_epoch = torch::randn({5});
    }
    checkpoint.header.lanes.push_back(position);
    checkpoint.tensors.push_back(tensors);
  }
  return checkpoint;
}

// A worker program that trains, to be killed.
class WorkerProcess {
 public:
  explicit WorkerProcess(const Directory& directory)
      : directory_(directory), first_step_(checkpoint_step()) {
    pid_ = ::fork();
    if (pid_ == 0) {
      const std::string path = directory.string();
      ::execl(GRAFT_WORKER_PROGRAM, "graft-worker", "train", path.c_str(), "--checkpoint-seconds",
              "0", nullptr);
      ::_exit(127);
    }
  }
  ~WorkerProcess() { kill(); }

  // Until its checkpoint is this many steps of lane 0 further than it began, or it ended.
  void wait_for_steps(std::int64_t steps) {
    while (!ended() && checkpoint_step() < first_step_ + steps)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  void kill() {
    if (pid_ <= 0 || ended()) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  bool ended() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ <= 0;
  }
  std::int64_t checkpoint_step() const {
    try {
      return read_checkpoint(read_text(checkpoint_path(directory_))).header.lanes.front().step;
    } catch (const CheckpointError&) {
      return 0;
    }
  }

  Directory directory_;
  std::int64_t first_step_;
  pid_t pid_ = -1;
};

void write_order_file(const Directory& directory, const Order& order) {
  std::filesystem::create_directories(directory);
  write_text(directory / "order.json", write_order(order));
}

std::function<bool()> stop_after(int steps) {
  // Asked also while data is read, about once a lane.
  return [left = steps]() mutable { return left-- <= 0; };
}

}  // namespace

// Without what is told of the data.
std::vector<Notice> notices_of_checkpoints(const std::vector<Record>& records) {
  std::vector<Notice> notices = all<Notice>(records);
  std::erase_if(notices, [](const Notice& notice) {
    return notice.message.find("heckpoint") == std::string::npos;
  });
  return notices;
}

TEST_CASE("a checkpoint comes back as it was written") {
  const TrainingState written = small_checkpoint();
  const TrainingState read = read_checkpoint(write_checkpoint(written));
  REQUIRE(read.header.lanes.size() == 2);
  CHECK(read.header.order_sha256 == written.header.order_sha256);
  CHECK(read.header.lanes[0].labels == std::vector<std::string>{"no", "yes"});
  CHECK(read.header.lanes[0].sums.loss == 0.1);
  CHECK_FALSE(read.header.lanes[0].best);
  CHECK(read.header.lanes[1].best->metrics.get("valid_accuracy") == 0.75);
  for (std::size_t i = 0; i < 2; ++i) {
    const AdamW::State &a = written.tensors[i].optimizer, &b = read.tensors[i].optimizer;
    CHECK(at::equal(a.values, b.values));
    CHECK(at::equal(a.first_moments, b.first_moments));
    CHECK(at::equal(a.second_moments, b.second_moments));
    CHECK(a.steps == b.steps);
  }
  CHECK(at::equal(written.tensors[1].best_epoch, read.tensors[1].best_epoch));
}

TEST_CASE("every torn checkpoint and every flipped bit is noticed") {
  const std::string whole = write_checkpoint(small_checkpoint());
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_THROWS_AS(read_checkpoint(whole.substr(0, size)), CheckpointError);
  for (std::size_t place = 0; place < whole.size(); ++place) {
    CAPTURE(place);
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 1);
    bool refused = false;
    try {
      // The container's own words ("pt", padding) may change without harm: nothing else may.
      refused = write_checkpoint(read_checkpoint(damaged)) == whole;
    } catch (const CheckpointError&) {
      refused = true;
    }
    CHECK(refused);
  }
}

TEST_CASE("a checkpoint of another format version says so") {
  std::string bytes = write_checkpoint(small_checkpoint());
  CHECK_THROWS_WITH_AS(
      parse_checkpoint_header(R"({"format":"graft-checkpoint","format_version":2})"),
      doctest::Contains("this program reads graft-checkpoint 1"), ProtocolError);
}

TEST_CASE("what does not decide the result does not make another order") {
  const ScratchDirectory scratch;
  const Order order = tiny_order({tiny_lane(scratch, "a", 2, 20, 1)});
  Order moved = order;
  moved.run_id = "another";
  moved.threads = 7;
  moved.cache_directory = "/elsewhere";
  moved.backbone_directory = "/elsewhere";
  moved.lanes[0].training_file.path = "/elsewhere";
  CHECK(order_identity(order, "b") == order_identity(moved, "b"));
  CHECK(order_identity(order, "b") != order_identity(order, "c"));
  Order other = order;
  other.lanes[0].learning_rate *= 2;
  CHECK(order_identity(order, "b") != order_identity(other, "b"));
}

TEST_CASE("a run stopped at any step goes on to the same bytes, alone and in company") {
  const ScratchDirectory scratch;
  const std::string backbone = backbone_with_dropout(scratch).string();
  for (const int lanes : {1, 3}) {
    std::vector<LaneOrder> chosen = three_lanes(scratch);
    chosen.resize(static_cast<std::size_t>(lanes));
    Order order = tiny_order(chosen);
    order.backbone_directory = backbone;
    const Directory whole = scratch.path() / ("whole" + std::to_string(lanes));
    run(order, whole);
    CHECK_FALSE(std::filesystem::exists(checkpoint_path(whole)));
    for (const int pieces : {1, 3, 4, 7}) {
      CAPTURE(lanes);
      CAPTURE(pieces);
      const Directory broken =
          scratch.path() / ("broken" + std::to_string(lanes) + "-" + std::to_string(pieces));
      std::vector<Record> records;
      int processes = 0;
      do {
        records = run(order, broken, stop_after(pieces + lanes), {1e9});
        REQUIRE(++processes < 100);
      } while (all<RunFinished>(records).back().cancelled);
      CHECK(processes > 1);
      CHECK_FALSE(std::filesystem::exists(checkpoint_path(broken)));
      for (int lane = 0; lane < lanes; ++lane) {
        CHECK(model_files(whole, lane) == model_files(broken, lane));
        CHECK(all<LaneFinished>(records, lane).size() == 1);
        CHECK(all<DataReady>(records, lane).size() == 1);
        const auto epochs = all<EpochEnded>(records, lane);
        REQUIRE(epochs.size() ==
                static_cast<std::size_t>(order.lanes[static_cast<std::size_t>(lane)].n_epochs));
        for (std::size_t i = 0; i < epochs.size(); ++i)
          CHECK(epochs[i].epoch == static_cast<int>(i) + 1);
      }
    }
  }
}

TEST_CASE("every kind of task goes on to the same bytes and the same report") {
  const ScratchDirectory scratch;
  Order order = tiny_order(lanes_of_other_kinds(scratch));
  order.backbone_directory = backbone_with_dropout(scratch).string();
  const Directory whole = scratch.path() / "whole";
  const auto undisturbed = run(order, whole);
  for (const int pieces : {2, 5}) {
    CAPTURE(pieces);
    const Directory broken = scratch.path() / ("broken" + std::to_string(pieces));
    std::vector<Record> records;
    int processes = 0;
    do {
      records = run(order, broken, stop_after(pieces + 2), {1e9});
      REQUIRE(++processes < 100);
    } while (all<RunFinished>(records).back().cancelled);
    CHECK(processes > 1);
    for (const int lane : {0, 1}) {
      CHECK(model_files(whole, lane) == model_files(broken, lane));
      const auto finished = all<LaneFinished>(records, lane);
      REQUIRE(finished.size() == 1);
      REQUIRE(finished[0].report);
      CHECK(write_task_report(*finished[0].report) ==
            write_task_report(*all<LaneFinished>(undisturbed, lane).at(0).report));
      for (const Progress& progress : all<Progress>(records, lane))
        CHECK(std::isnan(progress.train_accuracy) == (lane == 1));
    }
  }
}

TEST_CASE("a worker killed again and again ends with the bytes of one that was left alone") {
  const ScratchDirectory scratch;
  std::vector<LaneOrder> lanes = three_lanes(scratch);
  for (LaneOrder& lane : lanes) lane.n_epochs *= 20;
  const std::string backbone = backbone_with_dropout(scratch).string();
  for (const std::size_t count : {std::size_t{1}, std::size_t{3}}) {
    CAPTURE(count);
    Order order = tiny_order({lanes.begin(), lanes.begin() + static_cast<std::ptrdiff_t>(count)});
    order.backbone_directory = backbone;
    order.cache_directory = (scratch.path() / "cache").string();
    const Directory whole = scratch.path() / ("whole" + std::to_string(count));
    write_order_file(whole, order);
    REQUIRE(WorkerProcess(whole).wait() == 0);
    const Directory killed = scratch.path() / ("killed" + std::to_string(count));
    write_order_file(killed, order);
    for (const std::int64_t steps : {3, 1, 9}) {
      WorkerProcess worker(killed);
      worker.wait_for_steps(steps);
      worker.kill();
    }
    REQUIRE(WorkerProcess(killed).wait() == 0);
    const std::vector<Record> records = records_of(killed);
    CHECK(all<RunStarted>(records).size() == 4);
    for (int lane = 0; lane < static_cast<int>(count); ++lane) {
      CHECK(model_files(whole, lane) == model_files(killed, lane));
      CHECK(all<LaneFinished>(records, lane).size() == 1);
    }
    bool went_on = false;
    for (const Notice& notice : all<Notice>(records))
      went_on |= notice.message.find("goes on from its checkpoint") != std::string::npos;
    CHECK(went_on);
  }
}

TEST_CASE("a run that is over is not trained again") {
  const ScratchDirectory scratch;
  const Order order =
      tiny_order({tiny_lane(scratch, "a", 2, 40, 1), tiny_lane(scratch, "b", 3, 40, 2)});
  const Directory directory = scratch.path() / "run";
  run(order, directory);
  const std::string before = read_text(directory / "lane-0" / "result.zip");
  auto records = run(order, directory);
  CHECK(all<LaneFinished>(records).size() == 2);
  CHECK(all<DataReady>(records).size() == 2);
  CHECK(read_text(directory / "lane-0" / "result.zip") == before);

  SUBCASE("but a lane whose bundle is damaged is") {
    write_text(directory / "lane-0" / "result.zip", before.substr(0, 100));
    records = run(order, directory);
    CHECK(all<LaneFinished>(records, 0).size() == 2);
    CHECK(all<LaneFinished>(records, 1).size() == 1);
    CHECK(sha256_of_file(directory / "lane-0" / "result.zip") ==
          all<LaneFinished>(records, 0).back().bundle_sha256);
  }
  SUBCASE("and another order in the same place is") {
    Order other = order;
    other.lanes[0].seed = 77;
    records = run(other, directory);
    CHECK(all<LaneFinished>(records).size() == 4);
    CHECK(read_text(directory / "lane-0" / "result.zip") != before);
  }
}

TEST_CASE("a checkpoint that cannot be used is said to be so, and training starts anew") {
  const ScratchDirectory scratch;
  Order order = tiny_order({tiny_lane(scratch, "a", 2, 40, 1)});
  const Directory whole = scratch.path() / "whole", directory = scratch.path() / "run";
  run(order, whole);
  run(order, directory, stop_after(6));
  REQUIRE(std::filesystem::exists(checkpoint_path(directory)));
  std::string expected;
  SUBCASE("torn") {
    const std::string bytes = read_text(checkpoint_path(directory));
    write_text(checkpoint_path(directory), bytes.substr(0, bytes.size() / 2));
    expected = "torn or damaged";
  }
  SUBCASE("of another order") {
    order.lanes[0].learning_rate *= 2;
    std::filesystem::remove_all(whole);
    run(order, whole);
    expected = "another order or another backbone";
  }
  const auto records = run(order, directory);
  const auto notices = notices_of_checkpoints(records);
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].level == "warn");
  CHECK(notices[0].message.find(expected) != std::string::npos);
  CHECK(all<DataReady>(records).size() == 2);
  CHECK(model_files(directory, 0) == model_files(whole, 0));
}

TEST_CASE("a disk without room for checkpoints is a notice, and training goes on") {
  const ScratchDirectory scratch;
  Order order = tiny_order({tiny_lane(scratch, "a", 2, 40, 1)});
  order.lanes[0].n_epochs = 4;
  const Directory directory = scratch.path() / "run";
  // A directory stands where the checkpoint is to be written: like a full disk, only writing fails.
  std::filesystem::create_directories(directory / "checkpoint.safetensors.part");
  // The writer is nicer than the trainer, who has little to do here and would be done before it.
  int steps = 0;
  const auto told = [&] {
    return read_text(directory / "records.jsonl").find("could not be") != std::string::npos;
  };
  const auto wait_for_the_writer = [&] {
    if (++steps != 3) return false;
    for (int i = 0; i < 3000 && !told(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return false;
  };
  const auto records = run(order, directory, wait_for_the_writer, {0});
  CHECK(all<LaneFinished>(records).size() == 1);
  const auto notices = notices_of_checkpoints(records);
  REQUIRE(notices.size() == 1);  // though every checkpoint failed
  CHECK(notices[0].message.find("could not be written") != std::string::npos);
}

TEST_CASE("a record that its worker died in is cut off before the next") {
  const ScratchDirectory scratch;
  {
    RunReport report(scratch.path());
    report.record(RunStarted{1, "v", "b", "cpu", "cpu", 1, "order"});
    report.record(DataReady{0, 1, 1, 0, TaskKind::classification, {}, 1, 1});
  }
  const std::string whole = read_text(scratch.path() / "records.jsonl");
  for (const std::size_t left : {whole.size() - 1, whole.size() - 20, std::size_t{5}}) {
    write_text(scratch.path() / "records.jsonl", whole.substr(0, left));
    RunReport(scratch.path()).record(RunFinished{});
    const auto records = records_of(scratch.path());  // throws at a line that is none
    CHECK(records.size() == (left == 5 ? 1 : 2));
    CHECK(std::holds_alternative<RunFinished>(records.back().body));
  }
}

TEST_CASE("history counts what the same order did, but for what can be tried again") {
  const ScratchDirectory scratch;
  RunReport report(scratch.path());
  report.record(RunStarted{1, "v", "b", "cpu", "cpu", 1, "other"});
  report.record(LaneFailed{3, "diverged", "", ""});
  report.record(RunStarted{1, "v", "b", "cpu", "cpu", 1, "order"});
  report.record(DataReady{0, 1, 1, 0, TaskKind::classification, {}, 1, 1});
  report.record(EpochEnded{0, 2});
  report.record(LaneFailed{1, "disk_full", "", ""});
  report.record(LaneFailed{2, "diverged", "", ""});
  report.record(LaneFinished{0, "lane-0/result.zip", "no such hash", "", {}, {}});
  const RunHistory history = read_history(scratch.path(), "order");
  CHECK(history.finished.empty());
  CHECK(history.failed == std::set<int>{2});
  CHECK(history.data_ready == std::set<int>{0});
  CHECK(history.epochs_ended.at(0) == 2);
}

TEST_CASE("of checkpoints that wait the newest is written") {
  const ScratchDirectory scratch;
  RunReport report(scratch.path());
  CheckpointWriter writer(report);
  TrainingState checkpoint = small_checkpoint();
  for (int i = 1; i <= 50; ++i) {
    checkpoint.header.lanes[0].step = i;
    writer.submit(checkpoint);
  }
  writer.finish();
  CHECK(read_checkpoint(read_text(checkpoint_path(scratch.path()))).header.lanes[0].step == 50);
  writer.discard();
  CHECK_FALSE(std::filesystem::exists(checkpoint_path(scratch.path())));
}

}  // namespace graft
