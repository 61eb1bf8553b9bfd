"""The promise: whatever is learned later, and whatever dies meanwhile, a version answers with the same bits."""

import hashlib
import os
import signal

import sentences
import service as graft


def evidence(service, version, texts):
    """Everything that must never change of a version of `topics`, as bytes and hashes."""
    answers = [service.predict(f"topics/versions/{version}", texts[i:i + 50]).body for i in range(0, len(texts), 50)]
    bundle = service.request("GET", f"/v1/tasks/topics/versions/{version}/adapter.zip").body
    about = service.get(f"/v1/tasks/topics/versions/{version}")
    return {
        "predictions": answers,
        "bundle": hashlib.sha256(bundle).hexdigest(),
        "said": about["adapter_sha256"],
        "backbone": about["backbone_sha256"],
        "weights": hashlib.sha256((graft.BACKBONE / "model.safetensors").read_bytes()).hexdigest(),
    }


def test_version_one_answers_with_the_same_bits_whatever_comes_after(make_service):
    service = make_service()
    texts = [row["text"] for row in sentences.sentences(sentences.TOPICS, 200, seed=99)]
    service.learn(sentences.sentences(sentences.TOPICS, 300, seed=1), "topics", epochs=3)
    before = evidence(service, 1, texts)
    assert before["bundle"] == before["said"]
    assert len(set(before["predictions"])) == 4

    service.learn(sentences.sentences(sentences.MOODS, 200, seed=2), "moods")
    assert evidence(service, 1, texts) == before

    # A worker dies in the middle of learning C; C is learned all the same.
    job = service.submit(sentences.sentences(sentences.KINDS, 400, seed=3), "kinds", epochs=2)
    os.kill(service.wait_for_training(job.id), signal.SIGKILL)
    finished = service.wait_for(job.id, "succeeded")
    assert finished["attempts"] == 2
    assert any("SIGKILL" in message or "signal 9" in message for message in service.messages(job.id))
    assert evidence(service, 1, texts) == before

    second = service.learn(sentences.sentences(sentences.TOPICS, 300, seed=4), "topics", epochs=2)
    assert second["version"] == 2
    assert evidence(service, 1, texts) == before
    assert evidence(service, 2, texts)["bundle"] != before["bundle"]

    service.stop()
    service.start()
    assert evidence(service, 1, texts) == before
    service.kill()
    service.start()
    assert evidence(service, 1, texts) == before
    assert service.predict("topics", "rain").headers["x-graft-version"] == "2"


def test_a_version_whose_file_was_changed_is_refused_and_not_served(make_service):
    service = make_service()
    service.learn(sentences.sentences(sentences.MOODS, 120, seed=2), "moods", epochs=1)
    digest = service.get("/v1/tasks/moods/versions/1")["adapter_sha256"]
    # A run whose end is not yet booked would bring the bundle again.
    graft.wait_until(lambda: not any((service.data_dir / "runs").iterdir()), 30, "the run's end")
    service.stop()
    files = [path for path in service.data_dir.rglob("*")
             if path.is_file() and path.stat().st_size and hashlib.sha256(path.read_bytes()).hexdigest() == digest]
    assert files, "the bundle lies somewhere under the data directory"
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(bytes(content))
    service.start()
    graft.wait_until(lambda: service.request("GET", "/readyz").status == 200, 60, "readiness")
    answer = service.request("POST", "/v1/tasks/moods/predict", {"inputs": "I love it"})
    assert answer.status >= 500
    assert answer.error()["message"]
    assert service.get("/healthz")["status"] == "ok"
