"""Rows too few to validate with: learned all the same, and no number that does not exist is shown."""

import io
import json
import zipfile

import pytest

THREE = [{"text": "a fine day", "label": "glad"}, {"text": "rain again", "label": "sad"},
         {"text": "who knows", "label": "unsure"}]


@pytest.mark.parametrize("task, members", [("spare", {}), ("none", {"validation_fraction": 0})])
def test_three_rows_of_three_classes_are_learned_without_validation(shared, task, members):
    job = shared.learn(THREE, task, epochs=3, **members)
    checkpoints = shared.get(f"/v1/fine_tuning/jobs/{job['id']}/checkpoints")["data"]
    assert sorted(checkpoint["epoch"] for checkpoint in checkpoints) == [1, 2, 3]
    for checkpoint in checkpoints:
        assert checkpoint["metrics"]["train_loss"] > 0
        assert not any(name.startswith(("valid", "full_valid")) for name in checkpoint["metrics"])
    metrics = shared.get(f"/v1/tasks/{task}/versions/1/metrics")
    assert len(metrics["epochs"]) == 3
    assert metrics["final"]["best_epoch"] == 3
    assert "valid_loss" not in json.dumps(metrics)
    messages = shared.messages(job["id"])
    assert not any("nan" in message for message in messages)
    assert any("There is no validation row" in message for message in messages)
    version = shared.get(f"/v1/tasks/{task}/versions/1")
    archive = zipfile.ZipFile(io.BytesIO(shared.request("GET", version["download_url"]).body))
    names = [name for name in archive.namelist() if name.endswith("graft.json")]
    assert names and all(b"valid_loss" not in archive.read(name) for name in names)
