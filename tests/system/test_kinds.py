"""Each kind of task from its upload to its predictions, through the clients that people have."""

import io
import json
import random
import zipfile

import huggingface_hub
import pytest

import sentences

hugging_face = huggingface_hub.InferenceClient(provider="hf-inference", token="hf_unused")


def sets_of_topics(count, seed):
    """Rows with none to two topics of their own phrases."""
    draw = random.Random(seed)
    for _ in range(count):
        labels = sorted(draw.sample(sorted(sentences.TOPICS), draw.choice([0, 1, 1, 2, 2])))
        phrases = [draw.choice(sentences.TOPICS[label]) for label in labels] or [f"nothing at {draw.choice(sentences.PLACES)}"]
        yield {"text": f"{draw.choice(sentences.NAMES)}: " + ", then ".join(phrases) + f" ({draw.randrange(10000)})",
               "labels": labels}


def moods_in_numbers(count, seed):
    """Rows whose score is the share of glad phrases, from -10 to 10."""
    draw = random.Random(seed)
    for _ in range(count):
        glad = draw.randrange(4)
        phrases = [draw.choice(sentences.MOODS["glad"]) for _ in range(glad)]
        phrases += [draw.choice(sentences.MOODS["sad"]) for _ in range(3 - glad)]
        draw.shuffle(phrases)
        yield {"text": ". ".join(phrases) + f" {draw.randrange(10000)}", "score": round(-10 + glad * 20 / 3, 2)}


@pytest.fixture(scope="module")
def topics(shared):
    return shared.learn(list(sets_of_topics(500, seed=1)), "topics", epochs=6, learning_rate=3e-3)


@pytest.fixture(scope="module")
def mood(shared):
    return shared.learn(list(moods_in_numbers(500, seed=2)), "mood", epochs=6)


def bundle_of(shared, task):
    link = shared.get(f"/v1/tasks/{task}/versions/1")["download_url"]
    archive = zipfile.ZipFile(io.BytesIO(shared.request("GET", link).body))
    return {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}


def test_sets_of_labels_are_recognized_learned_and_answered(shared, topics):
    result = topics["result"]
    assert topics["task_kind"] == "auto"
    assert result["task_kind"] == "multi_label"
    assert result["primary_metric"] == {"name": "valid_macro_f1", "value": result["metrics"]["valid_macro_f1"]}
    assert result["primary_metric"]["value"] > 0.8
    messages = shared.messages(topics["id"])
    assert any("a list of labels each: they are learned as task_kind \"multi_label\"" in text for text in messages)
    assert any("validation macro F1=" in text for text in messages)
    assert shared.get("/v1/tasks/topics")["kind"] == "multi_label"

    answer = hugging_face.text_classification("Ada: a bowl of tomato soup, then the tennis final",
                                              model=f"{shared.url}/v1/tasks/topics/predict")
    assert [element.label for element in answer][2] == "weather"
    assert answer[1].score > answer[2].score + 0.2
    both, none = shared.predict("topics", ["Emil: heavy snow at night, then a slice of cheese cake", "Hana: nothing at Oslo"]).json()
    assert {one["label"] for one in both if one["selected"]} == {"weather", "food"}
    assert not any(one["selected"] for one in none)

    report = shared.get("/v1/tasks/topics/versions/1/report")
    assert report["rows"] == 50
    assert 0 < report["threshold"] < 1
    assert [label["label"] for label in report["labels"]] == ["food", "sport", "weather"]
    f1 = sum(label["f1"] for label in report["labels"]) / 3
    assert f1 == pytest.approx(result["primary_metric"]["value"], abs=1e-12)
    assert report["baseline"]["valid_macro_f1"] < f1

    files = bundle_of(shared, "topics")
    assert files["head_config.json"]["config"]["head_type"] == "multilabel_classification"
    assert files["graft.json"]["hyperparameters"]["task_kind"] == "multi_label"
    assert files["graft.json"]["report"]["threshold"] == report["threshold"]


def test_numbers_are_learned_and_answered_in_their_own_units(shared, mood):
    result = mood["result"]
    assert (result["task_kind"], result["primary_metric"]["name"]) == ("regression", "valid_pearson")
    assert result["primary_metric"]["value"] > 0.9
    assert {"valid_spearman", "valid_mse", "valid_mae", "valid_loss"} <= result["metrics"].keys()
    assert "valid_accuracy" not in result["metrics"] and "train_accuracy" not in result["metrics"]

    url = f"{shared.url}/v1/tasks/mood/predict"
    glad = hugging_face.text_classification("truly great work. simply perfect. I love it 7", model=url)
    sad = hugging_face.text_classification("truly poor work. simply broken. I hate it 7", model=url)
    assert [element.label for element in glad] == ["score"]
    assert glad[0].score > 5 and sad[0].score < -5

    report = shared.get("/v1/tasks/mood/versions/1/report")
    assert report["labels"] == [] and report["confusion"] == [] and report["threshold"] is None
    assert report["baseline"]["valid_mse"] > 4 * result["metrics"]["valid_mse"]
    files = bundle_of(shared, "mood")
    assert files["head_config.json"]["config"]["num_labels"] == 1
    header = shared.client().files.content(mood["result_files"][0]).read().decode().splitlines()[0]
    assert header.endswith(",valid_pearson,valid_spearman,valid_mse,valid_mae")


def test_predicting_the_validation_rows_gives_the_numbers_that_were_told(shared):
    rows = list(moods_in_numbers(60, seed=9))
    client = shared.client()
    validation = shared.upload(rows, name="validation.jsonl")
    job = shared.learn(list(moods_in_numbers(200, seed=8)), "told", client=client, validation_file=validation)
    answers = shared.predict("told", [row["text"] for row in rows]).json()
    squares = [(answer[0]["score"] - row["score"]) ** 2 for answer, row in zip(answers, rows)]
    assert sum(squares) / len(rows) == pytest.approx(job["result"]["metrics"]["valid_mse"], rel=1e-9)


def test_a_kind_that_the_data_are_not_is_refused_with_the_way_out(shared):
    file = shared.upload(list(sets_of_topics(20, seed=4)))
    job = shared.submit(file, "wrong", task_kind="classification")
    failed = shared.wait_for(job.id, "failed")
    assert failed["error"]["code"] == "invalid_training_file"
    assert "multi_label" in failed["error"]["message"]
    refused = shared.request("POST", "/v1/fine_tuning/jobs", {"model": "minilm", "training_file": file, "task_kind": "tags"})
    assert refused.status == 400 and refused.error()["param"] == "task_kind"
    # What no row can be is said at once.
    refused = shared.request("POST", "/v1/fine_tuning/jobs", {"model": "minilm", "training_file": file, "task_kind": "regression"})
    assert refused.status == 400 and '"score" is missing' in refused.error()["message"]


def test_a_version_that_learned_nothing_says_so(shared):
    """Labels that nothing tells apart: the commonest is answered always."""
    draw = random.Random(5)
    rows = [{"text": f"{draw.choice(sentences.NAMES)} {draw.randrange(10**6)}", "label": "common" if i % 10 else "rare"} for i in range(200)]
    job = shared.learn(rows, "nothing", epochs=2)
    messages = shared.messages(job["id"])
    assert any("no better than an answer without a model: its accuracy on the validation rows is 0.9, where always \"common\"" in text for text in messages), messages
    assert any("never answers 1 of the 2 labels" in text and '"rare"' in text for text in messages)
    assert shared.get("/v1/tasks/nothing/versions/1/report")["labels"][1]["predicted"] == 0


def test_other_scores_than_the_kinds_are_refused(shared, topics, mood):
    body = {"inputs": "rain", "parameters": {"function_to_apply": "softmax"}}
    for task, own in (("topics", "sigmoid"), ("mood", "none")):
        refused = shared.request("POST", f"/v1/tasks/{task}/predict", body)
        assert refused.status == 400 and own in refused.error()["message"]
        body_of_own = {"inputs": "rain", "parameters": {"function_to_apply": own}}
        assert shared.request("POST", f"/v1/tasks/{task}/predict", body_of_own).status == 200


def test_a_customers_own_columns_are_read_and_said(shared):
    table = "id,Review,stars\n" + "".join(f"{i},{sentences.MOODS[mood][i % 5]} {i},{mood}\n" for i, mood in enumerate(["glad", "sad"] * 40))
    file = shared.client().files.create(file=("reviews.csv", table.encode()), purpose="fine-tune").id
    body = {"model": "minilm", "training_file": file}
    refused = shared.request("POST", "/v1/fine_tuning/jobs", body)
    assert refused.status == 400 and "the columns are: id, review, stars" in refused.error()["message"]
    assert "columns.text" in refused.error()["message"]
    refused = shared.request("POST", "/v1/fine_tuning/jobs", {**body, "columns": {"text": "Review", "label": "star"}})
    assert refused.status == 400 and 'no column "star"' in refused.error()["message"]
    refused = shared.request("POST", "/v1/fine_tuning/jobs", {**body, "columns": {"text_pair": "Review"}})
    assert refused.status == 400 and refused.error()["param"] == "columns.text_pair"

    for columns, param in (({"text": " ", "label": "stars"}, "columns.text"), ({"text": "Review", "label": "REVIEW"}, "columns.label")):
        refused = shared.request("POST", "/v1/fine_tuning/jobs", {**body, "columns": columns})
        assert refused.status == 400 and refused.error()["param"] == param

    job = shared.learn(file, "reviews", columns={"text": "Review", "label": "stars"})
    assert job["columns"] == {"text": "Review", "text_pair": None, "label": "stars"}
    assert job["result"]["task_kind"] == "classification"
    assert any('text from "review", what is learned from "stars"' in text for text in shared.messages(job["id"]))
    assert shared.predict("reviews", "what a wonderful day").json()[0][0]["label"] == "glad"
