"""Restarts and deaths: no accepted job is lost, and a worker outlives its daemon."""

import os
import signal

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

    def kill_next():
        for pid in service.training_pids():
            if pid not in killed:
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
