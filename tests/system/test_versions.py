"""What a finished job leaves: a version that predicts, can be fetched, and can be given names."""

import hashlib
import io
import json
import re
import zipfile

import huggingface_hub
import pytest

import sentences


def test_the_hugging_face_client_reads_predictions(shared, learned):
    client = huggingface_hub.InferenceClient(provider="hf-inference", token="hf_unused")
    answer = client.text_classification("a thunderstorm with snow", model=f"{shared.url}/v1/tasks/topics/predict")
    assert [element.label for element in answer][0] == "weather"
    assert sorted(element.label for element in answer) == ["food", "sport", "weather"]
    scores = [element.score for element in answer]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)


def test_predictions_come_in_the_order_of_their_inputs_and_say_their_version(shared, learned):
    texts = ["soup with bread", "a cold wind with rain", "the football final"]
    answer = shared.predict("topics", texts)
    assert [labels[0]["label"] for labels in answer.json()] == ["food", "weather", "sport"]
    assert answer.headers["x-graft-version"] == "1"
    assert answer.headers["x-graft-model"] == learned["fine_tuned_model"]
    # A text's answer does not depend on its company.
    for text, labels in zip(texts, answer.json()):
        alone = shared.predict("topics", text).json()
        assert len(alone) == 1
        assert [one["label"] for one in alone[0]] == [one["label"] for one in labels]
        assert [one["score"] for one in alone[0]] == pytest.approx([one["score"] for one in labels], abs=1e-5)


def test_top_k_shortens_the_answer(shared, learned):
    answer = shared.request("POST", "/v1/tasks/topics/predict",
                            {"inputs": ["rain", "bread"], "parameters": {"top_k": 1}})
    assert [len(labels) for labels in answer.json()] == [1, 1]


@pytest.mark.parametrize("body, status", [
    ({}, 400), ({"inputs": 5}, 400), ({"inputs": [1]}, 400), ({"inputs": "x", "parameters": {"top_k": 0}}, 400),
    ({"inputs": [{"text_pair": "b"}]}, 400),
])
def test_inputs_that_cannot_be_read_are_refused(shared, learned, body, status):
    answer = shared.request("POST", "/v1/tasks/topics/predict", body)
    assert answer.status == status, answer.body
    assert answer.error()["message"]


def test_a_task_without_a_version_and_an_unknown_one_say_so(shared, learned):
    assert shared.request("POST", "/v1/tasks/nothing/predict", {"inputs": "x"}).status == 404
    assert shared.request("POST", "/v1/tasks/topics/versions/99/predict", {"inputs": "x"}).status == 404
    assert shared.request("POST", "/v1/tasks/topics/aliases/nothing/predict", {"inputs": "x"}).status == 404
    for number in ("0", "-1", "x", "99999999999999999999"):
        assert shared.request("GET", f"/v1/tasks/topics/versions/{number}").status in (400, 404)


def test_a_version_tells_what_it_is(shared, learned):
    version = shared.get("/v1/tasks/topics/versions/1")
    assert version["labels"] == ["food", "sport", "weather"]
    assert version["metrics"]["valid_accuracy"] > 0.8
    assert version["metrics"]["training_rows"] + version["metrics"]["validation_rows"] == 300
    assert version["model"] == learned["fine_tuned_model"]
    assert shared.get("/v1/tasks/topics/versions")["data"][0]["id"] == version["id"]
    task = shared.get("/v1/tasks/topics")
    assert (task["versions"], task["latest_version"]) == (1, 1)
    curve = shared.get("/v1/tasks/topics/versions/1/metrics")
    assert curve["final"]["valid_accuracy"] == version["metrics"]["valid_accuracy"]
    assert [point["step"] for point in curve["points"]] == sorted(point["step"] for point in curve["points"])
    assert len(curve["epochs"]) == 3


def test_the_bundle_is_fetched_whole_in_parts_and_only_when_it_changed(shared, learned):
    version = shared.get("/v1/tasks/topics/versions/1")
    path = "/v1/tasks/topics/versions/1/adapter.zip"
    whole = shared.request("GET", path)
    assert whole.status == 200
    digest = hashlib.sha256(whole.body).hexdigest()
    assert whole.headers["etag"] == f'"{digest}"'
    assert version["adapter_sha256"] == digest
    assert version["bytes"] == len(whole.body)

    head = shared.request("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
    assert head.headers["accept-ranges"] == "bytes"

    for wanted, expected in (("bytes=100-199", whole.body[100:200]), ("bytes=-50", whole.body[-50:]),
                             (f"bytes={len(whole.body) - 10}-", whole.body[-10:])):
        part = shared.request("GET", path, headers={"Range": wanted})
        assert (part.status, part.body) == (206, expected)
        assert re.fullmatch(rf"bytes \d+-\d+/{len(whole.body)}", part.headers["content-range"])
    assert shared.request("GET", path, headers={"Range": f"bytes={len(whole.body)}-"}).status == 416
    assert shared.request("GET", path, headers={"If-None-Match": whole.headers["etag"]}).status == 304

    bundle = zipfile.ZipFile(io.BytesIO(whole.body))
    assert bundle.testzip() is None
    names = set(bundle.namelist())
    assert {"graft.json", "adapter_config.json", "head_config.json"} <= names
    assert any(name.endswith(".bin") for name in names) and any(name.endswith(".safetensors") for name in names)
    about = json.loads(bundle.read("graft.json"))
    assert version["backbone_sha256"] in json.dumps(about)


def test_an_alias_moves_and_remembers(shared, learned):
    path = "/v1/tasks/topics/aliases/production"
    assert shared.request("GET", path).status == 404
    assert shared.request("PUT", path, {"version": 2}).status in (400, 404)
    alias = shared.request("PUT", path, {"version": 1}).json()
    assert (alias["name"], alias["version"]) == ("production", 1)
    assert [entry["version"] for entry in shared.get(path)["history"]] == [1]
    assert shared.predict("topics/aliases/production", "rain").headers["x-graft-version"] == "1"
    assert shared.get("/v1/tasks/topics")["aliases"] == {"production": 1}
    for wrong in ({}, {"version": "1"}, {"version": 0}):
        assert shared.request("PUT", path, wrong).status in (400, 404)


def test_pairs_of_texts_are_learned_and_predicted(shared):
    rows = sentences.sentences(sentences.KINDS, 240, seed=5)
    pairs = [{"sentence1": row["text"], "sentence2": "what kind is it?", "label": row["label"]} for row in rows]
    shared.learn(pairs, "kinds", epochs=3)
    answer = shared.predict("kinds", [{"text": "who is the king", "text_pair": "what kind is it?"}])
    assert len(answer.json()[0]) == 3


@pytest.mark.parametrize("name, content", [
    ("rows.csv", "text,label\r\n" + "".join(
        f'"{row["text"]}, ""quoted""",{row["label"]}\r\n' for row in sentences.sentences(sentences.MOODS, 80, 6))),
    ("rows.tsv", "﻿sentence\tlabel\n" + "".join(
        f'{row["text"]}\t{row["label"]}\n' for row in sentences.sentences(sentences.MOODS, 80, 7))),
    ("chat.jsonl", "".join(json.dumps({"messages": [
        {"role": "user", "content": row["text"]}, {"role": "assistant", "content": row["label"]}]}) + "\n"
        for row in sentences.sentences(sentences.MOODS, 80, 8))),
    ("old.jsonl", "".join(json.dumps({"prompt": row["text"], "completion": " " + row["label"]}) + "\n"
                          for row in sentences.sentences(sentences.MOODS, 80, 9))),
    ("numbers.jsonl", "".join(json.dumps({"text": row["text"], "label": len(row["label"])}) + "\n"
                              for row in sentences.sentences(sentences.MOODS, 80, 10))),
])
def test_other_shapes_of_data_are_learned_too(shared, name, content):
    task = name.split(".")[0] + "-" + name.split(".")[1]
    shared.learn(shared.upload(content.encode(), name), task, epochs=1)
    labels = [label.strip() for label in shared.get(f"/v1/tasks/{task}/versions/1")["labels"]]
    assert labels == (["3", "4"] if name.startswith("numbers") else ["glad", "sad"])
