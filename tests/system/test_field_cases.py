"""Sequences that failed for users of neighbouring projects, with the answers that are right."""

import json
import math

import pytest

import sentences
import service as graft

MOODS = sentences.sentences(sentences.MOODS, 120, seed=2)
LISTS = ["/v1/files", "/v1/fine_tuning/jobs", "/v1/tasks", "/v1/fine_tuning/jobs/{job}/events",
         "/v1/fine_tuning/jobs/{job}/checkpoints", "/v1/tasks/{task}/versions"]


@pytest.fixture(scope="module")
def moods(shared):
    job = shared.learn(MOODS, "moods", epochs=2)
    return {"job": job["id"], "task": "moods"}


def test_a_job_is_found_by_its_idempotency_key_when_its_file_is_gone(shared):
    file = shared.upload(MOODS)
    body = {"model": "minilm", "training_file": file, "task": "once", "hyperparameters": {"n_epochs": 1}}
    headers = {"Idempotency-Key": "one-and-only"}
    first = shared.request("POST", "/v1/fine_tuning/jobs", body, headers)
    assert first.status == 200, first.body
    shared.wait_for(first.json()["id"], "succeeded")
    assert shared.request("DELETE", f"/v1/files/{file}").status == 200
    again = shared.request("POST", "/v1/fine_tuning/jobs", body, headers)
    assert again.status == 200, again.body
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize("path", LISTS)
def test_an_empty_cursor_is_none_and_an_unknown_one_is_named(shared, moods, path):
    path = path.format(**moods)
    def ids(answer):  # download links differ by the second
        return [item["id"] for item in answer["data"]]

    first = ids(shared.get(f"{path}?limit=2"))
    assert first
    assert ids(shared.get(f"{path}?limit=2&after=")) == first
    unknown = shared.request("GET", f"{path}?after=nothing-of-ours")
    assert unknown.status == 400
    assert "nothing-of-ours" in unknown.error()["message"]
    assert unknown.error()["param"] == "after"


def test_a_deleted_file_is_still_a_cursor(shared):
    files = [shared.upload(MOODS[:20], name=f"{n}.jsonl") for n in range(3)]
    assert shared.request("DELETE", f"/v1/files/{files[1]}").status == 200
    assert [file["id"] for file in shared.get(f"/v1/files?limit=1&after={files[1]}")["data"]] == [files[0]]


@pytest.mark.parametrize("one, other", [("R", "R++"), ("C", "C++"), ("日報", "週報"), ("中文", "日本語"), ("señal", "senal")])
def test_different_suffixes_never_become_one_task(shared, one, other):
    file = shared.upload(MOODS)
    tasks = set()
    for suffix in (one, other):
        answer = shared.request("POST", "/v1/fine_tuning/jobs",
                                {"model": "minilm", "training_file": file, "suffix": suffix,
                                 "hyperparameters": {"n_epochs": 1}})
        if answer.status == 200:
            job = answer.json()
            tasks.add(job["task"])
            shared.request("POST", f"/v1/fine_tuning/jobs/{job['id']}/cancel")
        else:
            assert answer.status == 400 and answer.error()["param"] == "suffix", answer.body
            tasks.add(answer.body)
    assert len(tasks) == 2


def test_a_pair_for_a_task_of_single_texts_is_refused_and_the_reverse(shared, moods):
    pairs = [{"text": row["text"], "text_pair": "and so on", "label": row["label"]} for row in MOODS]
    shared.learn(pairs, "pairs", epochs=1)
    for task, inputs in [("moods", [{"text": "a fine day", "text_pair": "indeed"}]), ("pairs", "a fine day"),
                         ("pairs", ["a fine day"])]:
        answer = shared.request("POST", f"/v1/tasks/{task}/predict", {"inputs": inputs})
        assert answer.status == 400, (task, answer.body)
        assert "pair" in answer.error()["message"]
    shared.predict("moods", "a fine day")
    shared.predict("pairs", [{"text": "a fine day", "text_pair": "indeed"}])


def test_three_rows_of_three_classes_are_learned_without_numbers_that_do_not_exist(shared):
    job = shared.learn([{"text": f"text {label}", "label": label} for label in "abc"], "three", epochs=3)
    events = shared.get(f"/v1/fine_tuning/jobs/{job['id']}/events?limit=100")["data"]
    checkpoints = shared.get(f"/v1/fine_tuning/jobs/{job['id']}/checkpoints")["data"]
    results = shared.request("GET", f"/v1/files/{job['result_files'][0]}/content").body.decode()
    version = shared.get("/v1/tasks/three/versions/1")
    assert "nan" not in (json.dumps([events, checkpoints, version, job]) + results).lower()
    assert not any("valid_loss" in (event["data"] or {}) for event in events)
    assert len(checkpoints) == 3


def test_without_a_validation_part_there_are_epochs_and_checkpoints_with_training_numbers(shared):
    job = shared.learn(MOODS, "unvalidated", epochs=3, validation_fraction=0)
    checkpoints = shared.get(f"/v1/fine_tuning/jobs/{job['id']}/checkpoints")["data"]
    assert len(checkpoints) == 3
    for checkpoint in checkpoints:
        assert math.isfinite(checkpoint["metrics"]["train_loss"])
        assert checkpoint["metrics"].get("valid_loss") is None


def test_numbers_told_for_a_version_are_those_of_its_predictions(shared):
    noisy = [dict(row) for row in sentences.sentences(sentences.TOPICS, 300, seed=5)]
    labels = sorted({row["label"] for row in noisy})
    for n in range(0, len(noisy), 4):
        noisy[n]["label"] = labels[(labels.index(noisy[n]["label"]) + 1) % len(labels)]
    training, validation = noisy[:200], noisy[200:]
    client = shared.client()
    job = client.fine_tuning.jobs.create(
        model="minilm", training_file=shared.upload(training), seed=7,
        validation_file=shared.upload(validation, name="valid.jsonl"),
        hyperparameters={"n_epochs": 6, "batch_size": 16}, extra_body={"task": "noisy", "adapter": {"size": 16}})
    shared.wait_for(job.id, "succeeded")
    answers = shared.predict("noisy", [row["text"] for row in validation]).json()
    right = sum(answer[0]["label"] == row["label"] for answer, row in zip(answers, validation))
    told = shared.get("/v1/tasks/noisy/versions/1")["metrics"]["valid_accuracy"]
    assert right / len(validation) == told
