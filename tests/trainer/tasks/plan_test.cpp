// From files to what is learned of their rows, kind by kind.
#include "trainer/tasks/plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "tests/trainer/data_files.h"
#include "trainer/tasks/kind.h"

namespace graft {
namespace {

// Both files' rows, chosen as a lane trains on them.
struct LabelledRows {
  std::vector<Row> rows;
  std::vector<std::int32_t> class_ids;
};
struct TaskData {
  Strings labels;
  LabelledRows training, validation;
  bool pairs = false;
  Targets targets;
};

LabelledRows choose(const std::vector<Row>& all, const ChosenRows& chosen) {
  LabelledRows rows{{}, chosen.targets};
  for (const std::uint32_t row : chosen.rows) rows.rows.push_back(all[row]);
  return rows;
}

TaskData read_task_data(const DataFile& training_file,
                        const std::optional<DataFile>& validation_file, double fraction,
                        std::uint64_t seed, TaskKind kind = TaskKind::classification) {
  const DataRows training = read_data(training_file, FileRole::training, {kind, {}});
  const LabelColumn labels = label_column(training);
  DataRows validation;
  LabelColumn validation_labels;
  if (validation_file) {
    validation = read_data(*validation_file, FileRole::validation, {kind, {}});
    validation_labels = label_column(validation);
  }
  const std::string name = validation_file ? validation_file->name : "";
  TaskPlan plan =
      kind_named(kind).plan({labels, training_file.name,
                             validation_file ? &validation_labels : nullptr, name, fraction, seed});
  return {plan.labels, choose(training.rows, plan.training),
          choose(validation_file ? validation.rows : training.rows, plan.validation), labels.pairs,
          plan.targets};
}

// ---- One label
// -----------------------------------------------------------------------------------

std::string labelled(const Strings& labels) {
  std::string text;
  for (const std::string& label : labels) {
    text += "{\"text\": \"t\", \"label\": \"" + label + "\"}\n";
  }
  return text;
}

TEST_CASE("class ids follow the labels sorted by their bytes") {
  Files files;
  const TaskData task = read_task_data(files.write("a.jsonl", labelled({"b", "ä", "10", "9", "B"})),
                                       std::nullopt, 0.0, 1);
  CHECK(task.labels == Strings{"10", "9", "B", "b", "ä"});
  CHECK(task.training.class_ids == std::vector<std::int32_t>{3, 4, 0, 1, 2});
  CHECK(task.validation.rows.empty());
  CHECK_FALSE(task.pairs);
}

TEST_CASE("a task needs two labels") {
  Files files;
  const DataFile file = files.write("a.jsonl", labelled({"x", "x"}));
  CHECK(error_of([&] { read_task_data(file, std::nullopt, 0.1, 1); }) ==
        "a.jsonl: every row has the label \"x\"; a task needs rows of at least two labels");
}

TEST_CASE("a label on every row is taken for no class names when there are too many") {
  Files files;
  Strings many;
  for (std::size_t i = 0; i <= max_classes; ++i) many.push_back("label " + std::to_string(i));
  const DataFile file = files.write("a.jsonl", labelled(many));
  CHECK(mentions(error_of([&] { read_task_data(file, std::nullopt, 0.1, 1); }),
                 "4097 different labels, more than 4096"));
}

TEST_CASE("the validation file must know the labels and the pairs of training") {
  Files files;
  const DataFile training = files.write("train.jsonl", labelled({"x", "y"}));
  const DataFile good_file = files.write("valid.jsonl", labelled({"y", "y"}));
  const TaskData task = read_task_data(training, good_file, 0.5, 1);
  CHECK(task.training.rows.size() == 2);
  CHECK(task.validation.class_ids == std::vector<std::int32_t>{1, 1});

  const DataFile stranger = files.write("valid.csv", "text,label\na,x\nb,z\n");
  try {
    read_task_data(training, stranger, 0.5, 1);
    FAIL("accepted");
  } catch (const DataError& error) {
    CHECK(std::string(error.what()) ==
          "valid.csv line 3: the label \"z\" is on no training row; remove the row or add training "
          "rows with this label");
    CHECK(error.code() == "invalid_validation_file");
    CHECK(error.param() == "validation_file");
    CHECK(error.line == 3);
    CHECK(error.member == "label");
  }
  const DataFile pairs = files.write("pairs.csv", "text,text_pair,label\na,b,x\n");
  CHECK(mentions(error_of([&] { read_task_data(training, pairs, 0.5, 1); }),
                 "pairs.csv line 2: the row is a pair of texts, the training rows are not"));
}

TEST_CASE("a task's validation rows are split off and no row is lost or doubled") {
  Files files;
  std::string text;
  for (int i = 0; i < 50; ++i) {
    text +=
        "{\"text\": \"t" + std::to_string(i) + "\", \"label\": " + std::to_string(i % 2) + "}\n";
  }
  const TaskData task = read_task_data(files.write("a.jsonl", text), std::nullopt, 0.2, 3);
  CHECK(task.training.rows.size() == 40);
  CHECK(task.validation.rows.size() == 10);
  std::set<std::string> seen;
  for (const LabelledRows* part : {&task.training, &task.validation}) {
    for (std::size_t i = 0; i < part->rows.size(); ++i) {
      seen.insert(part->rows[i].text);
      CHECK(task.labels[static_cast<std::size_t>(part->class_ids[i])] == part->rows[i].label);
    }
  }
  CHECK(seen.size() == 50);
}

// ---- Sets of labels
// ------------------------------------------------------------------------------

TEST_CASE("sets of labels: each label once, by name, and none is a set, too") {
  Files files;
  const std::string text = R"({"text": "a", "labels": ["b", "a"]}
{"text": "b", "labels": []}
{"text": "c", "labels": [3, true, " a "]}
)";
  const DataFile file = files.write("a.jsonl", text);
  const TaskData task = read_task_data(file, std::nullopt, 0.0, 1, TaskKind::multi_label);
  CHECK(task.labels == Strings{"3", "a", "b", "true"});
  const auto set_of = [&](std::size_t row) {
    return task.targets.labels[static_cast<std::size_t>(task.training.class_ids[row])];
  };
  CHECK(set_of(0) == std::vector<std::int32_t>{1, 2});
  CHECK(set_of(1).empty());
  CHECK(set_of(2) == std::vector<std::int32_t>{0, 1, 3});

  const DataFile table = files.write("a.csv", "text,labels\na,b;a|\nb,\nc,3; true ;a\n");
  const TaskData same = read_task_data(table, std::nullopt, 0.0, 1, TaskKind::multi_label);
  CHECK(same.labels == task.labels);
  CHECK(same.targets.labels == task.targets.labels);
  CHECK(same.training.class_ids == task.training.class_ids);
}

TEST_CASE("what is no list of labels is refused by line and member") {
  Files files;
  const auto error = [&](const std::string& text, TaskKind kind) {
    return error_of(
        [&] { read_task_data(files.write("a.jsonl", text), std::nullopt, 0.0, 1, kind); });
  };
  const auto kind = TaskKind::multi_label;
  CHECK(mentions(error(R"({"text": "a", "labels": {"a": 1}})", kind),
                 "a.jsonl line 1: member \"labels\" is an object, not a list"));
  CHECK(mentions(error(R"({"text": "a", "labels": ["a", null]})", kind), "holds null"));
  CHECK(mentions(error(R"({"text": "a", "labels": ["b", "b"]})", kind),
                 "holds the label \"b\" twice"));
  CHECK(mentions(error(R"({"text": "a", "labels": [0, 1, 0]})", kind), "a vector of 0 and 1"));
  CHECK(mentions(error(R"({"text": "a", "labels": [1, 0]})", kind), "as a vector of two does"));
  CHECK(mentions(error(R"({"text": "a", "labels": [true, false]})", kind), "as a vector of two"));
  CHECK(error(R"({"text": "a", "labels": ["[bug]", "x"]})", kind) == "no error");
  CHECK(mentions(error(R"({"text": "a", "labels": ["['a', 'b']"]})", kind), "the text of a list"));
  CHECK(mentions(error(R"({"text": "a", "labels": 2})", kind),
                 "member \"labels\" is a number, not a list"));
  CHECK(mentions(error_of([&] {
                   read_task_data(files.write("a.csv", "text,labels\na,\"['a', 'b']\"\n"),
                                  std::nullopt, 0.0, 1, kind);
                 }),
                 "a.csv line 2: \"labels\" holds"));
  CHECK(mentions(error(R"({"text": "a", "labels": ["a", " "]})", kind),
                 "\"labels\" holds an empty label; leave it out"));
  CHECK(mentions(error(R"({"text": "a", "labels": ["a"]}
{"text": "a"})",
                       kind),
                 "line 2: member \"labels\" is missing"));
  CHECK(mentions(error(R"({"text": "a", "labels": []})", kind), "no row has a label"));
  CHECK(mentions(error(R"({"text": "a", "labels": ["a"]})", TaskKind::classification),
                 "task_kind \"multi_label\""));
  const DataFile training = files.write("t.jsonl", R"({"text": "a", "labels": ["a"]})");
  const DataFile stranger = files.write("v.jsonl",
                                        "{\"text\": \"a\", \"labels\": [\"a\"]}\n"
                                        "{\"text\": \"b\", \"labels\": [\"A\"]}\n");
  CHECK(error_of([&] { read_task_data(training, stranger, 0.0, 1, kind); }) ==
        "v.jsonl line 2: the label \"A\" is on no training row; they have \"a\", write it so");
}

TEST_CASE("rare labels of sets stand on both sides of a split") {
  Files files;
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "{\"text\": \"t" + std::to_string(i) + "\", \"labels\": [\"common\"" +
            (i % 10 == 0 ? ", \"rare\"" : "") + "]}\n";
  const TaskData task =
      read_task_data(files.write("a.jsonl", text), std::nullopt, 0.2, 3, TaskKind::multi_label);
  const auto rare_rows = [&](const LabelledRows& rows) {
    return std::count_if(rows.class_ids.begin(), rows.class_ids.end(), [&](std::int32_t id) {
      return task.targets.labels[static_cast<std::size_t>(id)].size() == 2;
    });
  };
  CHECK(rare_rows(task.validation) == 2);
  CHECK(rare_rows(task.training) == 8);
}

// ---- Numbers
// -------------------------------------------------------------------------------------

TEST_CASE("scores are learned by the mean and deviation of the training rows") {
  Files files;
  const DataFile training =
      files.write("a.jsonl",
                  "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"score\": 1}\n"
                  "{\"sentence1\": \"c\", \"sentence2\": \"d\", \"score\": \"3.0\"}\n"
                  "{\"sentence1\": \"e\", \"sentence2\": \"f\", \"score\": 5e0}\n");
  const DataFile validation =
      files.write("v.csv", "sentence1,sentence2,similarity_score\na,b, 100 \n");
  const TaskData task = read_task_data(training, validation, 0.0, 1, TaskKind::regression);
  CHECK(task.labels == Strings{"score"});
  CHECK(task.pairs);
  CHECK(task.targets.mean == doctest::Approx(3));
  CHECK(task.targets.deviation == doctest::Approx(std::sqrt(8.0 / 3)));
  CHECK(task.targets.numbers[static_cast<std::size_t>(task.validation.class_ids[0])] == 100);
}

TEST_CASE("a split that leaves one score for training says so") {
  Files files;
  const DataFile file = files.write("a.csv", "text,score\na,1\nb,2\n");
  CHECK(
      mentions(error_of([&] { read_task_data(file, std::nullopt, 0.5, 1, TaskKind::regression); }),
               "the training rows that are left beside the validation rows all have one score"));
}

TEST_CASE("scores that are no numbers, or all the same, are refused") {
  Files files;
  const auto error = [&](const std::string& text) {
    return error_of([&] {
      read_task_data(files.write("a.csv", "text,score\n" + text), std::nullopt, 0.0, 1,
                     TaskKind::regression);
    });
  };
  CHECK(error("a,1\nb,nan\nc,x\nd,2\n") ==
        "a.csv line 3: \"nan\" is no number to learn; every row of a regression needs a finite one "
        "of at most 1e30\nline 4: \"x\" is no number to learn; every row of a regression needs a "
        "finite one of at most 1e30");
  CHECK(mentions(error("a,1\nb,1e31\n"), "line 3: \"1e31\""));
  CHECK(mentions(error("a,inf\nb,2\n"), "line 2: \"inf\""));
  CHECK(mentions(error("a,2\nb,2.0\n"), "every row has the score"));
}

TEST_CASE("a kind is recognized by its columns and, for labels, by fractions of JSON") {
  Files files;
  const auto kind_of = [&](const std::string& name, const std::string& text) {
    return recognize_kind(label_column(read_data(files.write(name, text), FileRole::training)));
  };
  CHECK(kind_of("a.csv", "text,label\na,1\nb,2\n") == TaskKind::classification);
  CHECK(kind_of("a.csv", "text,label\na,1.0\nb,2.0\n") == TaskKind::classification);
  CHECK(kind_of("a.csv", "text,label\na,1.5\nb,2\n") == TaskKind::classification);
  CHECK(kind_of("a.jsonl", "{\"text\": \"a\", \"label\": \"1.5\"}") == TaskKind::classification);
  CHECK(kind_of("a.csv", "text,label\na,1.5\nb,two\n") == TaskKind::classification);
  CHECK(kind_of("a.csv", "text,score\na,1\nb,2\n") == TaskKind::regression);
  CHECK(kind_of("a.csv", "text,labels\na,1\nb,2\n") == TaskKind::multi_label);
  // A score beside a label is the annotator's or a model's confidence.
  CHECK(kind_of("a.csv", "text,label,score\na,x,0.9\nb,y,0.8\n") == TaskKind::classification);
  CHECK(kind_of("a.jsonl", "{\"text\": \"a\", \"label\": 2.5}") == TaskKind::regression);
}

TEST_CASE("a kind that is asked for reads its own members") {
  Files files;
  const auto labels_of = [&](const std::string& text, TaskKind kind) {
    return label_column(read_data(files.write("a.jsonl", text), FileRole::training, {kind, {}}))
        .labels;
  };
  const std::string both = R"({"text": "a", "label": "x", "labels": ["y", "z"], "score": 0.5})";
  CHECK(labels_of(both, TaskKind::classification) == Strings{"x"});
  CHECK(labels_of(both, TaskKind::multi_label) == Strings{"y\x1Fz"});
  CHECK(labels_of(both, TaskKind::regression) == Strings{"0.5"});
  CHECK(labels_of(R"({"text": "a", "label": ["x"]})", TaskKind::multi_label) == Strings{"x"});
  CHECK(labels_of(R"({"text": "a", "label": 3})", TaskKind::regression) == Strings{"3"});
  CHECK(labels_of(R"({"prompt": "a", "completion": 2.5})", TaskKind::regression) == Strings{"2.5"});
  // What is null is no reason to learn something else.
  CHECK(mentions(error_of([&] {
                   labels_of(R"({"text": "a", "label": null, "score": 0.9})", TaskKind::automatic);
                 }),
                 "member \"label\" is null"));
}

TEST_CASE(
    "integer labels of any length are classes, and whole fractions are refused with the way out") {
  Files files;
  const std::string large = "1" + std::string(30, '0');
  const DataFile file = files.write(
      "a.jsonl", R"({"text": "a", "label": )" + large + "}\n{\"text\": \"b\", \"label\": 1}\n");
  CHECK(label_column(read_data(file, FileRole::training)).labels == Strings{"1", large});
  const DataFile floats = files.write(
      "f.jsonl", "{\"text\": \"a\", \"label\": 1.0}\n{\"text\": \"b\", \"label\": 0.0}\n");
  CHECK(
      mentions(error_of([&] {
                 const LabelColumn column = label_column(read_data(floats, FileRole::training));
                 kind_named(recognize_kind(column)).plan({column, "f.jsonl", nullptr, "", 0, 1});
               }),
               "f.jsonl line 1: the label is a fractional number; labels are strings or integers"));
}

TEST_CASE(
    "small regressions give validation its share, and numbers that float cannot tell apart none") {
  Files files;
  const auto rows = [](int count, double first, double step) {
    std::string text = "text,score\n";
    for (int i = 0; i < count; ++i)
      text += "t" + std::to_string(i) + "," + std::to_string(first + i * step) + "\n";
    return text;
  };
  const auto validated = [&](int count, double fraction) {
    return read_task_data(files.write("a.csv", rows(count, 0, 1)), std::nullopt, fraction, 1,
                          TaskKind::regression)
        .validation.rows.size();
  };
  CHECK(validated(40, 0.1) == 4);
  CHECK(validated(100, 0.1) == 10);
  CHECK(validated(400, 0.01) == 4);
  CHECK(validated(1000, 0.2) == 200);
  CHECK(validated(30, 0.5) == 15);
  CHECK(validated(4, 0.5) == 2);
  CHECK(validated(4, 0.1) == 0);
  CHECK(mentions(error_of([&] {
                   read_task_data(files.write("t.csv", rows(100, 1.7e9, 1)), std::nullopt, 0.1, 1,
                                  TaskKind::regression);
                 }),
                 "the scores differ by too little beside their size"));
  CHECK(read_task_data(files.write("p.csv", "text,score\na,+1\nb,-2\n"), std::nullopt, 0, 1,
                       TaskKind::regression)
            .targets.numbers == std::vector<double>{1, -2});
}

TEST_CASE("fractional numbers among labels that are none are refused with the first line") {
  Files files;
  const DataFile file = files.write(
      "a.jsonl", "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\", \"label\": 2.5}\n");
  const LabelColumn column = label_column(read_data(file, FileRole::training));
  CHECK(recognize_kind(column) == TaskKind::classification);
  CHECK(
      mentions(error_of([&] {
                 kind_named(TaskKind::classification).plan({column, "a.jsonl", nullptr, "", 0, 1});
               }),
               "a.jsonl line 2: the label is a fractional number"));
  CHECK(mentions(error_of([&] { read_task_data(file, std::nullopt, 0.0, 1); }),
                 "a.jsonl line 2: member \"label\" is the fractional number 2.5"));
}

}  // namespace
}  // namespace graft
