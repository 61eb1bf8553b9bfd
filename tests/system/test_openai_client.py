"""The unmodified `openai` client drives the service: rest-contract, sections 1 to 4."""

import csv
import io
import json

import openai
import pytest

import sentences

ROWS = sentences.sentences(sentences.TOPICS, 300, seed=1)


def test_a_file_goes_from_upload_to_a_finished_model(shared):
    client = shared.client()
    content = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    file = client.files.create(file=("topics.jsonl", content), purpose="fine-tune")
    assert (file.bytes, file.filename, file.purpose) == (len(content), "topics.jsonl", "fine-tune")
    client.files.wait_for_processing(file.id, max_wait_seconds=10)
    assert client.files.content(file.id).read() == content

    job = client.fine_tuning.jobs.create(model="minilm", training_file=file.id, suffix="first", seed=11,
                                         hyperparameters={"n_epochs": 3, "batch_size": 16},
                                         metadata={"origin": "test"})
    assert job.status in ("validating_files", "queued", "running")
    assert (job.object, job.model, job.seed, job.training_file) == ("fine_tuning.job", "minilm", 11, file.id)
    shared.wait_for(job.id, "succeeded")

    job = client.fine_tuning.jobs.retrieve(job.id)
    assert job.fine_tuned_model.startswith("ft:minilm:default:first:")
    assert job.trained_tokens > 3 * 200 * 4
    assert job.finished_at >= job.created_at
    assert job.error is None
    assert job.model_extra["task"] == "first"
    assert job.model_extra["version"] == 1
    assert job.hyperparameters.n_epochs == 3

    events = list(client.fine_tuning.jobs.list_events(job.id, limit=2))
    messages = [event.message for event in events]
    assert len({event.id for event in events}) == len(events)
    assert messages[-1] == "Created fine-tuning job" or "Created" in messages[-1]
    assert any(job.fine_tuned_model in message for message in messages)
    metrics = [event.data for event in events if event.type == "metrics"]
    assert {"step", "train_loss", "learning_rate", "tokens_per_second", "eta_seconds"} <= metrics[0].keys()
    assert any("valid_accuracy" in data and "valid_loss" in data for data in metrics)

    checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [checkpoint.step_number for checkpoint in checkpoints] == sorted(
        (checkpoint.step_number for checkpoint in checkpoints), reverse=True)
    assert len(checkpoints) == 3
    assert checkpoints[0].metrics.valid_mean_token_accuracy > 0.8

    results = client.files.content(job.result_files[0]).read().decode()
    table = list(csv.DictReader(io.StringIO(results)))
    assert results.splitlines()[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert int(table[-1]["step"]) > int(table[0]["step"])
    assert float(table[-1]["train_loss"]) < float(table[0]["train_loss"])

    models = {model.id: model for model in client.models.list()}
    assert models["minilm"].owned_by == "graft"
    assert job.fine_tuned_model in models
    assert client.models.retrieve(job.fine_tuned_model).id == job.fine_tuned_model
    assert client.models.delete(job.fine_tuned_model).deleted
    assert job.fine_tuned_model not in {model.id for model in client.models.list()}
    # Hidden, not destroyed: who holds the version's number still gets answers.
    assert shared.predict("first/versions/1", "rain and wind").status == 200


@pytest.mark.parametrize("members, expected", [
    ({}, {}),
    ({"hyperparameters": {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}}, {}),
    ({"hyperparameters": {"n_epochs": 4, "batch_size": 8, "learning_rate_multiplier": 0.5}},
     {"n_epochs": 4, "batch_size": 8, "learning_rate_multiplier": 0.5}),
    ({"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 5}}}}, {"n_epochs": 5}),
    ({"method": {"type": "supervised"}}, {}),
])
def test_every_form_of_hyperparameters_is_understood(shared, members, expected):
    client = shared.client()
    file_id = shared.upload(ROWS)
    job = client.fine_tuning.jobs.create(model="minilm", training_file=file_id,
                                         suffix=None, validation_file=None, **members)
    client.fine_tuning.jobs.cancel(job.id)
    resolved = job.hyperparameters.model_dump()
    for name in ("n_epochs", "batch_size", "learning_rate_multiplier"):
        assert isinstance(resolved[name], (int, float)), resolved
        assert resolved[name] == expected.get(name, resolved[name])
    assert job.method.supervised.hyperparameters.n_epochs == resolved["n_epochs"]


def test_paging_meets_every_job_once_while_new_ones_arrive(shared):
    client = shared.client()
    file_id = shared.upload(ROWS)
    create = lambda number: client.fine_tuning.jobs.create(
        model="minilm", training_file=file_id, metadata={"wave": "paging", "number": str(number)})
    jobs = [create(number) for number in range(13)]
    try:
        seen = []
        for job in client.fine_tuning.jobs.list(limit=5, metadata={"wave": "paging"}):
            seen.append(job.id)
            if len(seen) in (2, 7):
                jobs.append(create(100 + len(seen)))
        assert seen == [job.id for job in reversed(jobs[:13])]
        one = client.fine_tuning.jobs.list(metadata={"wave": "paging", "number": "4"}).data
        assert [job.id for job in one] == [jobs[4].id]
        assert client.fine_tuning.jobs.list(metadata={"wave": "no such"}).data == []
    finally:
        for job in jobs:
            client.fine_tuning.jobs.cancel(job.id)
    assert all(shared.job(job.id)["status"] == "cancelled" for job in jobs[1:])


def test_a_running_job_is_cancelled_and_a_finished_one_is_not(shared):
    client = shared.client()
    job = shared.submit(sentences.sentences(sentences.TOPICS, 1500, seed=3), "endless", epochs=50)
    shared.wait_for_training(job.id)
    cancelled = client.fine_tuning.jobs.cancel(job.id)
    assert cancelled.id == job.id
    shared.wait_for(job.id, "cancelled", seconds=20)
    with pytest.raises(openai.BadRequestError) as refusal:
        client.fine_tuning.jobs.cancel(job.id)
    assert "cancelled" in refusal.value.message
    # And without any header or body, as curl sends it.
    other = shared.submit(ROWS, "endless", epochs=50)
    answer = shared.request("POST", f"/v1/fine_tuning/jobs/{other.id}/cancel")
    assert answer.status == 200, answer.body
    shared.wait_for(other.id, "cancelled", seconds=20)


def test_what_is_unknown_is_a_404_that_names_it_with_a_request_id(shared):
    client = shared.client()
    for ask in (lambda: client.fine_tuning.jobs.retrieve("ftjob-nothing"),
                lambda: client.files.retrieve("file-nothing"),
                lambda: client.files.content("file-nothing"),
                lambda: client.models.retrieve("ft:minilm:default:x:00000000"),
                lambda: client.models.delete("ft:minilm:default:x:00000000"),
                lambda: client.fine_tuning.jobs.cancel("ftjob-nothing")):
        with pytest.raises(openai.NotFoundError) as refusal:
            ask()
        assert refusal.value.request_id.startswith("req_")
        assert refusal.value.message
        assert {"message", "type", "param", "code"} <= refusal.value.body.keys()


@pytest.mark.parametrize("members, words", [
    ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, ["integrations"]),
    ({"method": {"type": "dpo", "dpo": {}}}, ["method", "supervised"]),
    ({"model": "ft:minilm:default:x:00000000"}, ["model"]),
    ({"model": "maxilm"}, ["maxilm", "minilm"]),
    ({"training_file": "file-nothing"}, ["file-nothing"]),
    ({"hyperparameters": {"n_epochs": 0}}, ["n_epochs"]),
    ({"hyperparameters": {"n_epochs": 2.5}}, ["n_epochs"]),
    ({"hyperparameters": {"n_epoch": 2}}, ["n_epoch", "n_epochs"]),
    ({"seed": -1}, ["seed"]),
    ({"suffix": "x" * 65}, ["suffix"]),
    ({"metadata": {"k": 5}}, ["metadata"]),
    ({"adapters": {"size": 8}}, ["adapters", "adapter"]),
    ({"adapter": {"size": 0}}, ["size"]),
    ({"adapter": {"method": "lora"}}, ["method", "houlsby"]),
    ({"max_length": 100000}, ["max_length"]),
    ({"validation_fraction": 1.5}, ["validation_fraction"]),
    ({"learning_rate": "fast"}, ["learning_rate"]),
])
def test_a_job_that_cannot_be_is_a_400_that_names_the_member(shared, members, words):
    body = {"model": "minilm", "training_file": shared.upload(ROWS[:10]), **members}
    answer = shared.request("POST", "/v1/fine_tuning/jobs", body)
    assert answer.status in (400, 404) if "training_file" in members else answer.status == 400, answer.body
    for word in words:
        assert word in answer.error()["message"], answer.body
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"model": "minilm"}'])
def test_a_body_that_is_no_job_is_a_400(shared, body):
    answer = shared.request("POST", "/v1/fine_tuning/jobs", body, {"Content-Type": "application/json"})
    assert answer.status == 400, answer.body
    assert answer.error()["type"] == "invalid_request_error"


def test_a_deleted_file_is_gone_but_its_finished_job_is_not(shared):
    client = shared.client()
    file_id = shared.upload(ROWS)
    job = shared.learn(file_id, "short-lived", epochs=1)
    assert client.files.delete(file_id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file_id)
    assert shared.job(job["id"])["training_file"] == file_id


def test_the_health_addresses_and_the_page_answer_without_a_key(shared):
    assert shared.get("/healthz")["status"] == "ok"
    assert shared.get("/readyz")["ready"] is True
    assert shared.get("/openapi.json")["openapi"].startswith("3.")
    page = shared.request("GET", "/")
    assert page.status == 200 and b"<title>Graft</title>" in page.body
    assert page.headers["content-type"].startswith("text/html")
