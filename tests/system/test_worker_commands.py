"""graft-worker as people call it: exit codes, usage, and the check of a backbone that graftd makes at its start."""

import json
import shutil
import subprocess

import pytest

import service as graft

TINY = graft.ROOT / "tests/reference/tiny_bert"


def worker(*words):
    return subprocess.run([graft.BUILD / "graft-worker", *words], capture_output=True, text=True, timeout=60)


def test_help_tells_the_subcommands_and_the_exit_codes():
    done = worker("--help")
    assert done.returncode == 0
    for word in ("train", "serve", "predict", "tokenize", "inspect", "check", "bench", "Exit status: 0", "74"):
        assert word in done.stdout


@pytest.mark.parametrize("words", [[], ["learn"], ["check"], ["check", "/no/such"], ["train", "/tmp", "--device", "cuda"]])
def test_a_command_line_that_is_not_understood_is_status_2_with_a_reason(words):
    done = worker(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("graft-worker: ")
    assert "graft-worker --help" in done.stderr
    assert done.stdout == ""


@pytest.fixture
def backbone(tmp_path):
    shutil.copytree(TINY, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_sound_backbone_is_status_0(backbone):
    done = worker("check", backbone)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sound" in done.stdout


def cut_weights(backbone):
    path = backbone / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def narrow_config(backbone):
    path = backbone / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_size": 12}))


@pytest.mark.parametrize("damage", [cut_weights, narrow_config])
def test_a_broken_backbone_ends_check_and_graftd_with_one_sentence(backbone, damage, tmp_path):
    damage(backbone)
    done = worker("check", backbone)
    assert done.returncode == 1
    reason = done.stderr.strip()
    assert reason and "\n" not in reason
    daemon = subprocess.run([graft.BUILD / "graftd", "--data-dir", tmp_path / "data", "--backbone", f"tiny={backbone}",
                             "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
    assert daemon.returncode == 1
    assert daemon.stderr.splitlines()[-1] == f"graftd: --backbone tiny: {reason}"
    assert daemon.stdout == ""
