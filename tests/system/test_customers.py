"""Keys and customers: nobody without a key where keys are required, nobody sees another's rows."""

import re

import openai
import pytest

import sentences
import service as graft

ROWS = sentences.sentences(sentences.MOODS, 120, seed=2)


def make_key(service, customer):
    return re.search(r"graft_\S+", service.command("keys", "create", customer)).group()


@pytest.fixture
def guarded(make_service):
    return make_service("--auth", "required")


def test_without_a_key_everything_of_customers_is_401(guarded):
    with pytest.raises(openai.AuthenticationError) as refusal:
        guarded.client("graft_wrong").models.list()
    assert refusal.value.request_id.startswith("req_")
    for method, path in (("GET", "/v1/files"), ("GET", "/v1/fine_tuning/jobs"), ("GET", "/v1/tasks"),
                         ("POST", "/v1/files"), ("POST", "/v1/fine_tuning/jobs"), ("GET", "/v1/models"),
                         ("POST", "/v1/tasks/moods/predict"), ("GET", "/v1/tasks/moods/versions/1/adapter.zip")):
        answer = guarded.request(method, path)
        assert answer.status == 401, (path, answer.body)
        assert "key" in answer.error()["message"]
    assert guarded.get("/healthz")["status"] == "ok"


def test_another_customers_things_are_404_and_signed_links_need_no_key(guarded):
    ada, bruno = make_key(guarded, "ada"), make_key(guarded, "bruno")
    client, other = guarded.client(ada), guarded.client(bruno)
    file_id = guarded.upload(ROWS, client=client)
    job = guarded.submit(file_id, "moods", client=client, epochs=1)
    mine = {"Authorization": f"Bearer {ada}"}
    theirs = {"Authorization": f"Bearer {bruno}"}
    graft.wait_until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "succeeded", 240, "the job")
    model = client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
    assert ":ada:" in model

    for path in (f"/v1/files/{file_id}", f"/v1/files/{file_id}/content", f"/v1/fine_tuning/jobs/{job.id}",
                 f"/v1/fine_tuning/jobs/{job.id}/events", f"/v1/fine_tuning/jobs/{job.id}/checkpoints",
                 f"/v1/models/{model}", "/v1/tasks/moods", "/v1/tasks/moods/versions", "/v1/tasks/moods/versions/1",
                 "/v1/tasks/moods/versions/1/metrics", "/v1/tasks/moods/versions/1/adapter.zip"):
        assert guarded.request("GET", path, headers=mine).status == 200, path
        assert guarded.request("GET", path, headers=theirs).status == 404, path
    for method, path in (("DELETE", f"/v1/files/{file_id}"), ("DELETE", f"/v1/models/{model}"),
                         ("POST", f"/v1/fine_tuning/jobs/{job.id}/cancel")):
        assert guarded.request(method, path, headers=theirs).status == 404, path
    assert guarded.request("POST", "/v1/tasks/moods/predict", {"inputs": "x"}, theirs).status == 404
    assert guarded.request("PUT", "/v1/tasks/moods/aliases/a", {"version": 1}, theirs).status == 404
    assert guarded.request("POST", "/v1/fine_tuning/jobs", {"model": "minilm", "training_file": file_id},
                           theirs).status in (400, 404)
    assert other.fine_tuning.jobs.list().data == []
    assert other.files.list().data == []
    assert [m.id for m in other.models.list()] == ["minilm"]

    link = guarded.request("GET", "/v1/tasks/moods/versions/1", headers=mine).json()["download_url"]
    assert guarded.request("GET", link).status == 200
    changed = link[:-1] + ("0" if link[-1] != "0" else "1")
    assert guarded.request("GET", changed).status in (401, 403, 404)
    expired = re.sub(r"token=\d+", "token=1000000000", link)
    assert guarded.request("GET", expired).status in (401, 403, 404)
    assert guarded.request("GET", link.replace("/versions/1/", "/versions/2/")).status in (401, 403, 404)


def test_a_revoked_key_opens_nothing(guarded):
    key = make_key(guarded, "ada")
    assert guarded.client(key).files.list().data == []
    key_id = re.search(r"key_\w+", guarded.command("keys", "list")).group()
    assert key not in guarded.command("keys", "list")
    guarded.command("keys", "revoke", key_id)
    with pytest.raises(openai.AuthenticationError):
        guarded.client(key).files.list()


def test_keys_are_nowhere_in_the_data_directory(guarded):
    secret = make_key(guarded, "ada").encode()
    for path in guarded.data_dir.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes(), path


def test_an_open_address_without_required_keys_is_refused(tmp_path):
    for options in ((), ("--auth", "off")):
        service = graft.Service(tmp_path / "data", *options, listen="0.0.0.0:0")
        with pytest.raises(graft.Unexpected) as refusal:
            service.start()
        assert "required" in str(refusal.value)


def test_a_page_of_another_site_cannot_speak_to_a_keyless_daemon(make_service):
    service = make_service()
    assert service.request("GET", "/v1/files", headers={"Host": "evil.example"}).status == 403
    assert service.request("GET", "/v1/files", headers={"Origin": "http://evil.example"}).status == 403
    assert service.request("GET", "/v1/files").status == 200
