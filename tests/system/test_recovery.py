"""Restarts and deaths: no accepted job is lost, and a worker outlives its daemon."""

import hashlib
import io
import json
import os
import signal
import zipfile

import pytest

import sentences
import service as graft

LONG = sentences.sentences(sentences.TOPICS, 500, seed=3)
SHORT = sentences.sentences(sentences.MOODS, 120, seed=4)


def test_a_worker_outlives_a_killed_daemon_and_is_taken_up_again(make_service):
    service = make_service()
    job = service.submit(LONG, "topics", epochs=4)
    worker = service.wait_for_training(job.id)
    service.kill()
    assert service.training_pids() == [worker]
    service.start()
    running = service.wait_for(job.id, "running", seconds=10)
    assert running["attempts"] == 1
    assert service.training_pids() == [worker]
    finished = service.wait_for(job.id, "succeeded")
    assert finished["attempts"] == 1
    steps = [event["data"]["step"] for event in reversed(
        service.get(f"/v1/fine_tuning/jobs/{job.id}/events?limit=100")["data"]) if event["type"] == "metrics"]
    assert steps == sorted(steps) and len(set(steps)) >= len(steps) - 8  # an epoch's end may share its step


def tensors(service, task):
    """Hashes of the bytes of all tensors of a task's first version; their names hold the task's."""
    answer = service.request("GET", f"/v1/tasks/{task}/versions/1/adapter.zip")
    assert answer.status == 200, answer.body
    with zipfile.ZipFile(io.BytesIO(answer.body)) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist() if name.endswith(".safetensors")}
    return {name: hashlib.sha256(data[8 + int.from_bytes(data[:8], "little"):]).hexdigest()
            for name, data in files.items()}


def wait_for_share(service, job_id, share):
    def far():
        progress = service.job(job_id)["progress"] or {}
        return progress.get("total_steps") and progress["step"] >= share * progress["total_steps"]

    graft.wait_until(far, 240, f"{share:.0%} of {job_id}")


def resumed_at(service, job_id):
    """The step of the checkpoint that a later run went on from."""
    for message in service.messages(job_id):
        if message.startswith("Training goes on from its checkpoint of step "):
            return int(message.split("step ")[1].split(" ")[0].replace(",", ""))
    return None


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The tensors of four epochs over LONG that nothing disturbed."""
    service = graft.Service(tmp_path_factory.mktemp("whole") / "data").start()
    try:
        service.learn(LONG, "whole", epochs=4)
        return tensors(service, "whole")
    finally:
        service.close()


def test_a_killed_worker_s_job_goes_on_from_its_checkpoint_with_the_same_bytes(make_service, whole):
    service = make_service()
    broken = service.submit(LONG, "broken", epochs=4)
    wait_for_share(service, broken.id, 0.7)
    os.kill(service.training_pids()[0], signal.SIGKILL)
    finished = service.wait_for(broken.id, "succeeded")
    assert finished["attempts"] == 2
    step, total = resumed_at(service, broken.id), finished["progress"]["total_steps"]
    assert step and step >= total / 2, (step, total)
    assert tensors(service, "broken") == whole


def test_the_same_when_daemon_and_worker_are_killed_together(make_service, whole):
    service = make_service()
    broken = service.submit(LONG, "broken", epochs=4)
    wait_for_share(service, broken.id, 0.7)
    worker = service.training_pids()[0]
    service.kill()
    os.kill(worker, signal.SIGKILL)
    service.start()
    service.wait_for(broken.id, "succeeded")
    assert resumed_at(service, broken.id)
    assert tensors(service, "broken") == whole


def test_a_paused_job_waits_over_a_restart_and_goes_on_to_the_same_bytes(make_service, whole):
    service = make_service()
    paused = service.submit(LONG, "broken", epochs=4)
    wait_for_share(service, paused.id, 0.4)
    assert service.client().fine_tuning.jobs.pause(paused.id).status == "paused"
    graft.wait_until(lambda: not service.training_pids(), 30, "the worker's end")
    service.stop()
    service.start()
    assert service.job(paused.id)["status"] == "paused"
    service.learn(SHORT, "moods", epochs=1)  # a paused job holds up nobody
    assert service.job(paused.id)["status"] == "paused"
    assert service.client().fine_tuning.jobs.resume(paused.id).status in ("queued", "running")
    service.wait_for(paused.id, "succeeded")
    assert resumed_at(service, paused.id)
    assert tensors(service, "broken") == whole


def test_a_cancelled_job_s_last_checkpoint_can_be_downloaded(make_service):
    service = make_service()
    client = service.client()
    job = service.submit(LONG, "topics", epochs=4)
    wait_for_share(service, job.id, 0.4)
    client.fine_tuning.jobs.cancel(job.id)

    def newest():
        return client.fine_tuning.jobs.checkpoints.list(job.id).data[0]

    last = graft.wait_until(lambda: newest().model_extra["file"] and newest(), 30, "the last checkpoint")
    file = client.files.retrieve(last.model_extra["file"])
    assert file.purpose == "fine-tune-results" and file.filename == f"checkpoint-step-{last.step_number}.safetensors"
    content = client.files.content(file.id).read()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + size])
    position = json.loads(header["__metadata__"]["graft_checkpoint"])["lanes"][0]
    assert position["step"] == last.step_number >= 0.4 * position["total_steps"]
    begin, end = header["lane.0.values"]["data_offsets"]
    assert end - begin == 4 * position["parameters"] and len(content) >= 8 + size + end
    assert all(other.model_extra["file"] is None
               for other in client.fine_tuning.jobs.checkpoints.list(job.id).data[1:])
    client.files.delete(file.id)
    assert newest().model_extra["file"] is None


def test_a_worker_program_that_does_not_start_pauses_the_queue_until_it_is_mended(make_service, tmp_path):
    program = tmp_path / "graft-worker"
    program.write_text("#!/bin/sh\n[ \"$1\" = train ] && exit 127\nexec " +
                       str(graft.BUILD / "graft-worker") + ' "$@"\n')
    program.chmod(0o755)
    service = make_service("--worker-program", str(program))
    jobs = [service.submit(SHORT, f"moods{n}", epochs=1).id for n in range(2)]
    graft.wait_until(lambda: service.request("GET", "/readyz").json()["checks"]["queue"] != "ok", 30,
                     "word of the trouble")
    assert "worker_not_started" in service.request("GET", "/readyz").json()["checks"]["queue"]
    assert {service.job(job)["status"] for job in jobs} == {"queued"}
    assert "the queue pauses" in service.log.read_text()
    program.write_text("#!/bin/sh\nexec " + str(graft.BUILD / "graft-worker") + ' "$@"\n')
    for job in jobs:
        assert service.wait_for(job, "succeeded", seconds=120)["attempts"] == 1
    assert service.request("GET", "/readyz").json()["checks"]["queue"] == "ok"


def test_a_worker_that_ends_while_no_daemon_runs_has_not_worked_in_vain(make_service):
    service = make_service()
    job = service.submit(LONG, "topics", epochs=2)
    service.wait_for_training(job.id)
    service.kill()
    graft.wait_until(lambda: not service.training_pids(), 240, "the worker's end")
    service.start()
    assert service.wait_for(job.id, "succeeded", seconds=10)["attempts"] == 1


def test_a_job_whose_worker_died_with_the_daemon_is_queued_again_and_succeeds(make_service):
    service = make_service()
    job = service.submit(LONG, "topics", epochs=3)
    waiting = service.submit(SHORT, "moods", epochs=1)
    worker = service.wait_for_training(job.id)
    service.kill()
    os.kill(worker, signal.SIGKILL)
    service.start()
    assert service.wait_for(job.id, "succeeded")["attempts"] == 2
    assert service.wait_for(waiting.id, "succeeded")["attempts"] == 1


def test_sigterm_ends_the_daemon_within_ten_seconds_and_queued_jobs_stay(make_service):
    service = make_service()
    running = service.submit(LONG, "topics", epochs=3)
    queued = service.submit(SHORT, "moods", epochs=1)
    service.wait_for_training(running.id)
    seconds, status = service.stop()
    assert seconds < 10
    assert status == 0
    service.start()
    assert service.job(queued.id)["status"] in ("queued", "running", "succeeded")
    service.wait_for(running.id, "succeeded")
    service.wait_for(queued.id, "succeeded")


def test_a_worker_that_dies_again_and_again_fails_its_job_clearly_and_the_queue_goes_on(make_service):
    service = make_service()
    job = service.submit(LONG, "topics", epochs=50)
    killed = set()

    def began():
        """How often a worker has said that it began."""
        return sum("Training worker started" in message for message in service.messages(job.id))

    def kill_next():
        for pid in service.training_pids():
            if pid not in killed and began() > len(killed):
                os.kill(pid, signal.SIGSEGV)
                killed.add(pid)
        return service.job(job.id)["status"] == "failed"

    graft.wait_until(kill_next, 120, "the job's failure")
    error = service.job(job.id)["error"]
    assert "signal" in error["message"] or "SIGSEGV" in error["message"]
    service.learn(SHORT, "moods", epochs=1)


def test_two_daemons_never_share_a_data_directory(make_service):
    service = make_service()
    other = graft.Service(service.data_dir)
    other.log = service.data_dir.parent / "other.log"
    try:
        other.start()
        raise AssertionError("a second daemon started on the same data directory")
    except graft.Unexpected:
        assert other.process.wait(timeout=10) != 0
    assert service.get("/healthz")["status"] == "ok"
