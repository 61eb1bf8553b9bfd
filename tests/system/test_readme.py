"""What the README tells people to paste, pasted as a whole."""

import json
import re
import subprocess
import sys
import zipfile

import pytest

import sentences
import service as graft

README = (graft.ROOT / "README.md").read_text()


def block(mark):
    return re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README, re.S).group(1)


@pytest.fixture
def desk(shared, tmp_path):
    """A directory to paste in, with small samples where the README has its own."""
    samples = tmp_path / "graft-data/samples"
    samples.mkdir(parents=True)
    rows = sentences.sentences(sentences.TOPICS, 100, seed=1)
    for task in ("section", "role"):
        (samples / f"{task}.train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def paste(program, text, shared, desk):
    text = text.replace("http://127.0.0.1:8080", shared.url)
    return subprocess.run(program, input=text, cwd=desk, capture_output=True, text=True, timeout=200)


def test_the_curl_session_waits_predicts_and_downloads(shared, desk):
    done = paste(["bash"], block("curl session"), shared, desk)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.endswith(" succeeded") for line in lines)
    assert json.loads(lines[-1])[0][0]["score"] > 0
    with zipfile.ZipFile(desk / "adapter.zip") as bundle:
        assert bundle.testzip() is None
        assert any(name.endswith(".json") for name in bundle.namelist())


def test_a_refusal_stops_the_curl_session_and_is_not_stored(shared, desk):
    (desk / "graft-data/samples/section.train.jsonl").write_text('{"text": "one label only", "label": "a"}\n')
    done = paste(["bash"], block("curl session"), shared, desk)
    assert done.returncode != 0
    assert "succeeded" not in done.stdout
    assert "Traceback" not in done.stderr
    assert not (desk / "adapter.zip").exists()
    # An answer of 4xx to the download itself is no file either.
    download = [line for line in block("curl session").splitlines() if "adapter.zip" in line]
    assert len(download) == 1
    done = paste(["bash"], f"api={shared.url}/v1 version=1\n{download[0].replace('debian-section', 'no-such-task')}",
                 shared, desk)
    assert done.returncode == 22
    assert not (desk / "adapter.zip").exists()


def test_the_python_sessions_run_as_they_stand(shared, desk):
    assert "pip install openai huggingface_hub" in README
    text = block("openai session") + block("predictions session")
    done = paste([sys.executable, "-"], text, shared, desk)
    assert done.returncode == 0, done.stderr
    assert "ft:minilm:default:" in done.stdout
    assert "TextClassificationOutputElement" in done.stdout
