"""tools/sample_data on a made-up package index: the same bytes every time, no text on both sides."""

import json
import random
import subprocess

import pytest

import service as graft


@pytest.fixture
def index(tmp_path):
    generator = random.Random(1)
    sections = ["games", "science", "sound", "net"]
    values = {"interface": ["commandline", "x11", "daemon"], "role": ["program", "plugin", "shared-lib"]}
    stanzas = []
    for number in range(400):
        tags = ", ".join(f"{facet}::{generator.choice(values[facet])}" for facet in values)
        stanzas.append(f"Package: package-{number:03}\nSection: {generator.choice(sections)}\n"
                       f"Description: program number {number} for people\n Its first sentence. Its second one.\n"
                       f"Tag: {tags}\n")
    generator.shuffle(stanzas)
    path = tmp_path / "Packages"
    path.write_text("\n".join(stanzas))
    return path


def make(index, directory):
    done = subprocess.run([graft.ROOT / "tools/sample_data", directory, "--index", index], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_one_index_gives_the_same_bytes_and_no_text_is_on_both_sides(index, tmp_path):
    files = make(index, tmp_path / "a")
    assert files == make(index, tmp_path / "b")
    assert len(files) == 6
    for task in ("section", "interface", "role"):
        train, test = ([json.loads(line) for line in files[f"{task}.{side}.jsonl"].splitlines()]
                       for side in ("train", "test"))
        assert len(train) > 4 * len(test) > 0
        assert not {row["text"] for row in train} & {row["text"] for row in test}
        assert {row["label"] for row in test} <= {row["label"] for row in train}
        assert all("package-" not in row["text"] and "first sentence" in row["text"] for row in train)


def test_an_index_without_packages_is_refused_with_a_reason(tmp_path):
    (tmp_path / "Packages").write_text("")
    done = subprocess.run([graft.ROOT / "tools/sample_data", tmp_path / "out", "--index", tmp_path / "Packages"],
                          capture_output=True, text=True)
    assert done.returncode != 0
    assert "no packages" in done.stderr
