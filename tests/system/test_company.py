"""Jobs that share a worker: the same bytes as alone, and what is done to one is done to that one."""

import json

import pytest

import sentences
import service as graft
from test_recovery import LONG, resumed_at, tensors, wait_for_share

TOPICS = {"rows": LONG[:300], "epochs": 3}
MOODS = {"rows": sentences.sentences(sentences.MOODS, 160, seed=4), "epochs": 3, "size": 16, "batch": 8}


def submit(service, task, what):
    return service.submit(what["rows"], task, **{key: what[key] for key in what if key != "rows"}).id


def lanes(service):
    """How many lanes each run has that is under way."""
    return sorted(len(json.loads(order.read_text())["lanes"]) for order in service.data_dir.glob("runs/*/order.json"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What each job learns when it has a run of its own."""
    service = graft.Service(tmp_path_factory.mktemp("alone") / "data").start()
    try:
        for task, what in (("topics", TOPICS), ("moods", MOODS)):
            service.wait_for(submit(service, task, what), "succeeded")
        return {task: tensors(service, task) for task in ("topics", "moods")}
    finally:
        service.close()


def in_company(service):
    """Both jobs, claimed together: they waited while another one had the only worker."""
    first = service.submit(LONG, "first", epochs=50)
    service.wait_for_training(first.id)
    both = submit(service, "topics", TOPICS), submit(service, "moods", MOODS)
    for job in both:
        service.wait_for(job, "queued")
    service.client().fine_tuning.jobs.cancel(first.id)
    graft.wait_until(lambda: lanes(service) == [2], 30, "a run with two lanes")
    return both


def test_jobs_that_share_a_run_have_the_bytes_that_they_have_alone(make_service, alone):
    service = make_service("--jobs-per-run", "2")
    for job in in_company(service):
        assert service.wait_for(job, "succeeded")["attempts"] == 1
    for task in ("topics", "moods"):
        assert tensors(service, task) == alone[task]


def test_a_job_that_is_paused_in_company_leaves_the_other_alone_and_both_end_the_same(make_service, alone):
    service = make_service("--jobs-per-run", "2")
    topics, moods = in_company(service)
    wait_for_share(service, topics, 0.3)
    service.client().fine_tuning.jobs.pause(topics)
    assert service.wait_for(moods, "succeeded")["attempts"] == 1
    assert not any("back in the queue" in message for message in service.messages(moods))
    assert resumed_at(service, moods)
    assert service.job(topics)["status"] == "paused"
    service.client().fine_tuning.jobs.resume(topics)
    service.wait_for(topics, "succeeded")
    assert resumed_at(service, topics)
    for task in ("topics", "moods"):
        assert tensors(service, task) == alone[task]
