"""Adapters in some layers only, and the head alone: from the job's body to the file that is downloaded."""

import io
import json
import zipfile

import pytest

import sentences
import service as graft

TINY = graft.ROOT / "tests/reference/tiny_bert"  # two layers
ROWS = sentences.sentences(sentences.MOODS, 120, seed=2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    service = graft.Service(tmp_path_factory.mktemp("tiny") / "data", backbone=TINY).start()
    yield service
    service.close()


def learn(service, task, adapter):
    client = service.client()
    job = client.fine_tuning.jobs.create(
        model="minilm", training_file=service.upload(ROWS, client=client), seed=7,
        hyperparameters={"n_epochs": 2, "batch_size": 16},
        extra_body={"task": task, "adapter": adapter, "max_length": 32})
    return service.wait_for(job.id, "succeeded")


def bundle_of(service, task):
    answer = service.request("GET", f"/v1/tasks/{task}/versions/1/adapter.zip")
    assert answer.status == 200
    bundle = zipfile.ZipFile(io.BytesIO(answer.body))
    assert bundle.testzip() is None
    return bundle


def tensors(bundle, name):
    data = bundle.read(name)
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    return {key for key in header if key != "__metadata__"}


def check_predictions(service, task):
    scores = service.predict(task, "I love it").json()[0]
    assert sorted(score["label"] for score in scores) == ["glad", "sad"]
    assert sum(score["score"] for score in scores) == pytest.approx(1, abs=1e-5)


def test_the_topmost_layer_alone_is_adapted(tiny):
    job = learn(tiny, "topmost", {"layers": 1, "size": 8})
    assert job["adapter"]["leave_out"] == [0]
    check_predictions(tiny, "topmost")
    bundle = bundle_of(tiny, "topmost")
    assert json.loads(bundle.read("adapter_config.json"))["config"]["leave_out"] == [0]
    assert json.loads(bundle.read("graft.json"))["hyperparameters"]["leave_out"] == [0]
    names = tensors(bundle, "adapter.safetensors")
    assert len(names) == 8
    assert all(name.startswith("bert.encoder.layer.1.") for name in names)


def test_the_head_alone_is_learned(tiny):
    job = learn(tiny, "probe", {"method": "head"})
    assert job["adapter"]["method"] == "head"
    assert job["adapter"]["size"] is None
    check_predictions(tiny, "probe")
    bundle = bundle_of(tiny, "probe")
    assert json.loads(bundle.read("adapter_config.json"))["config"]["leave_out"] == [0, 1]
    assert tensors(bundle, "adapter.safetensors") == set()
    assert len(tensors(bundle, "model_head.safetensors")) == 4
    assert json.loads(bundle.read("graft.json"))["notes"]
    metrics = tiny.get("/v1/tasks/probe/versions/1")["metrics"]
    hidden = json.loads((TINY / "config.json").read_text())["hidden_size"]
    assert metrics["trainable_parameters"] == hidden * hidden + hidden + 2 * hidden + 2


@pytest.mark.parametrize("adapter, param", [
    ({"layers": 3}, "adapter.layers"), ({"leave_out": [0, 1]}, "adapter.leave_out"),
    ({"method": "head", "size": 8}, "adapter.size"),
])
def test_layers_that_mean_nothing_are_refused_by_name(tiny, adapter, param):
    answer = tiny.request("POST", "/v1/fine_tuning/jobs",
                          {"model": "minilm", "training_file": tiny.upload(ROWS), "adapter": adapter})
    assert answer.status == 400
    assert answer.error()["param"] == param
