"""What goes wrong ends in words for the customer, and the daemon goes on."""

import json
import os
import signal
import subprocess

import openai
import pytest

import sentences
import service as graft

GOOD = sentences.sentences(sentences.MOODS, 120, seed=2)


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("name, content, words", [
    ("a.jsonl", lines(GOOD[:16]) + b'{"text": "no label here"}\n' + lines(GOOD[16:]), ["17", "label"]),
    ("b.jsonl", lines(GOOD[:3]) + b'{"text": "", "label": "glad"}\n' + lines(GOOD[3:]), ["4", "text"]),
    ("c.jsonl", lines([{"text": f"text {n}", "label": "one"} for n in range(50)]), ["label"]),
    ("d.jsonl", lines(GOOD[:9]) + b'{"text": "caf\xff", "label": "glad"}\n', ["10", "UTF-8"]),
    ("e.jsonl", lines(GOOD[:9]) + b"{broken\n", ["10"]),
    ("f.jsonl", lines(GOOD) + lines([{"text": "x" * (1 << 20), "label": "glad"}]), ["121", "1 MiB"]),
    ("g.csv", b"text,label,text\na,b,c\n", ["text"]),
    ("h.csv", b"text,label\nfine,glad\nragged\n", ["3"]),
    ("i.jsonl", b"", []),
])
def test_bad_data_ends_the_job_failed_and_names_file_line_and_member(shared, name, content, words):
    upload = shared.request("POST", "/v1/files", *multipart(name, content))
    if upload.status == 400:
        assert upload.error()["message"]
        return
    try:
        job = shared.submit(upload.json()["id"], "bad")
    except openai.BadRequestError as refusal:  # its shape is seen to be wrong at submission
        for word in [name, *words]:
            assert word in refusal.message
        return
    job = shared.wait_for(job.id, "failed")
    error = job["error"]
    assert error["code"] == "invalid_training_file"
    assert error["param"] == "training_file"
    for word in [name, *words]:
        assert word in error["message"], error
    assert shared.get("/v1/tasks/bad")["versions"] == 0


def multipart(name, content):
    body = (b'--limit\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--limit\r\n'
            b'Content-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\n\r\n'
            + content + b"\r\n--limit--\r\n")
    return body, {"Content-Type": "multipart/form-data; boundary=limit"}


def test_long_texts_are_cut_and_counted_in_an_event(shared):
    rows = GOOD + [{"text": "very " * 300 + "happy", "label": "glad"}] * 3
    job = shared.learn(rows, "lengthy", epochs=1, max_length=32)
    assert shared.get("/v1/tasks/lengthy/versions/1")["metrics"]["truncated_rows"] == 3
    assert any("3" in message and ("truncated" in message or "cut" in message)
               for message in shared.messages(job["id"]))


def test_a_backbone_that_vanished_keeps_the_job_waiting_until_it_is_back(make_service, losable_backbone):
    service = make_service(backbone=losable_backbone.directory)
    losable_backbone.lose()
    job = service.submit(GOOD, "moods", epochs=1)
    graft.wait_until(lambda: "backbone" in service.request("GET", "/readyz").json()["checks"]["queue"], 60,
                     "word of the lost backbone")
    waiting = service.job(job.id)
    assert waiting["status"] == "queued" and waiting["held"]["code"] == "backbone_missing"
    assert any("cannot train at the moment" in message for message in service.messages(job.id))
    assert service.get("/healthz")["status"] == "ok"
    losable_backbone.bring_back()
    assert service.wait_for(job.id, "succeeded")["held"] is None


def test_a_daemon_without_its_backbone_does_not_start_and_says_why(tmp_path):
    service = graft.Service(tmp_path / "data", backbone=tmp_path / "nowhere")
    with pytest.raises(graft.Unexpected) as refusal:
        service.start()
    assert "nowhere" in str(refusal.value)


def test_two_jobs_are_learned_at_the_same_time_by_two_workers(make_service):
    service = make_service(workers=2)
    rows = sentences.sentences(sentences.TOPICS, 300, seed=3)
    jobs = [service.submit(rows, "topics", epochs=3), service.submit(rows, "other", epochs=3)]
    graft.wait_until(lambda: len(service.training_pids()) == 2, 30, "two workers")
    graft.wait_until(lambda: all(service.job(job.id)["status"] == "running" for job in jobs), 30, "both running")
    for job in jobs:
        service.wait_for(job.id, "succeeded")


def test_readyz_names_a_prediction_worker_that_is_there_and_does_not_answer(make_service):
    service = make_service()
    graft.wait_until(lambda: service.request("GET", "/readyz").status == 200, 60, "readiness")
    [worker] = [pid for pid, argv in graft.processes_on(service.data_dir).items() if "serve" in argv]
    os.kill(worker, signal.SIGSTOP)
    try:
        answer = service.request("GET", "/readyz")
        assert answer.status == 503
        assert "does not answer" in answer.json()["checks"]["worker"]
    finally:
        os.kill(worker, signal.SIGCONT)
    graft.wait_until(lambda: service.request("GET", "/readyz").status == 200, 60, "readiness again")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 160 MiB: what launching needs free (64) and room for a run, where we may mount one."""
    directory = tmp_path / "small"
    directory.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(directory)],
                      capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root and the right to mount")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def test_a_full_disk_is_said_on_the_job_and_the_daemon_goes_on(make_service, small_disk):
    service = make_service(data_dir=small_disk / "data", log=small_disk.parent / "daemon.log")
    job = service.submit(sentences.sentences(sentences.TOPICS, 400, seed=3), "topics", epochs=2, size=256)
    service.wait_for_training(job.id)
    # Room is left for words in the database, not for the adapter.
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"\0" * max(0, free.f_bavail * free.f_frsize - 3 * 2**20))

    def told():
        error = service.job(job.id)["error"] or {}
        words = [error.get("message") or "", *service.messages(job.id)]
        return next((text for text in words if "disk is full" in text or "No space" in text), None)

    assert graft.wait_until(told, 240, "word of the full disk")
    assert service.get("/healthz")["status"] == "ok"
    (small_disk / "filler").unlink()
    ended = graft.wait_until(lambda: service.job(job.id)["status"] in graft.ENDED, 240, "the job's end")
    assert ended and service.job(job.id)["status"] in ("failed", "succeeded")
    service.learn(GOOD, "moods", epochs=1)


def test_readyz_names_a_full_disk_and_the_queue_that_waits_for_it(make_service, small_disk):
    service = make_service(data_dir=small_disk / "data", log=small_disk.parent / "daemon.log")
    graft.wait_until(lambda: service.request("GET", "/readyz").status == 200, 60, "readiness")
    file_id = service.upload(GOOD)
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"\0" * max(0, free.f_bavail * free.f_frsize - 3 * 2**20))
    job = service.submit(file_id, "moods", epochs=1)
    waits = graft.wait_until(
        lambda: (answer := service.request("GET", "/readyz")).json()["checks"]["queue"] != "ok" and answer,
        30, "word of the paused queue")
    assert waits.status == 503
    checks = waits.json()["checks"]
    assert "disk_full" in checks["queue"] and checks["disk"].startswith("full")
    assert checks["database"] == checks["worker"] == "ok"
    assert service.job(job.id)["status"] == "queued"
    assert service.get("/healthz")["status"] == "ok"
    (small_disk / "filler").unlink()
    service.wait_for(job.id, "succeeded")
    assert service.request("GET", "/readyz").status == 200


def fill(path):
    """Writes a file until the disk has no room for a byte more."""
    with open(path, "ab", buffering=0) as filler:
        for piece in (1 << 20, 1 << 12, 1):
            try:
                while filler.write(b"\0" * piece):
                    pass
            except OSError:
                continue


def test_on_a_full_disk_files_can_still_be_deleted_and_jobs_cancelled(make_service, small_disk):
    service = make_service(data_dir=small_disk / "data", log=small_disk.parent / "daemon.log")
    files = [service.upload(GOOD[:40 + n], name=f"{n}.jsonl") for n in range(4)]
    fill(small_disk / "filler")
    refused = service.request("POST", "/v1/files", *multipart("more.jsonl", lines(GOOD)))
    assert refused.status == 507 and refused.error()["code"] == "disk_full"
    assert "Deleting files" in refused.error()["message"]
    body = {"model": "minilm", "training_file": files[0], "task": "moods"}
    assert service.request("POST", "/v1/fine_tuning/jobs", body).status == 507
    reserve = small_disk / "data" / "reserve"
    whole = reserve.stat().st_size
    for file_id in files[:3]:
        assert service.request("DELETE", f"/v1/files/{file_id}").status == 200
        assert service.request("GET", f"/v1/files/{file_id}").status == 404
        fill(small_disk / "filler")  # somebody takes what the deletion left
    assert reserve.stat().st_size < whole
    # What was given up for deletions is not for uploads, until there is room again.
    assert service.request("POST", "/v1/files", *multipart("more.jsonl", lines(GOOD))).status == 507
    (small_disk / "filler").unlink()
    assert service.request("POST", "/v1/files", *multipart("more.jsonl", lines(GOOD))).status == 200
    assert reserve.stat().st_size == whole
    job = service.submit(files[3], "moods", epochs=50)
    fill(small_disk / "filler")
    answer = service.request("POST", f"/v1/fine_tuning/jobs/{job.id}/cancel", b"")
    assert answer.status == 200 and answer.json()["status"] == "cancelled"
    assert service.get("/healthz")["status"] == "ok"
