"""Fixtures of the system and browser tests, over the real programs: one service shared by
a file's tests, or a fresh one."""

import os
import sys
import pathlib

import pytest

# The clients under test read proxy settings; what they talk to is on this machine.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "system"))

import sentences  # noqa: E402
import service as graft  # noqa: E402


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A service for the tests of one file."""
    service = graft.Service(tmp_path_factory.mktemp("shared") / "data").start()
    yield service
    service.close()


@pytest.fixture(scope="module")
def learned(shared):
    """The finished job of task `topics` on the shared service."""
    return shared.learn(sentences.sentences(sentences.TOPICS, 300, seed=1), "topics", epochs=3)


class LosableBackbone:
    """A directory like the backbone's, whose weights can be taken away and brought back."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        for path in graft.BACKBONE.iterdir():
            (directory / path.name).symlink_to(path)

    def lose(self):
        (self.directory / "model.safetensors").unlink()

    def bring_back(self):
        (self.directory / "model.safetensors").symlink_to(graft.BACKBONE / "model.safetensors")


@pytest.fixture
def losable_backbone(tmp_path):
    return LosableBackbone(tmp_path / "backbone")


@pytest.fixture
def make_service(tmp_path):
    """Starts services of the test's own, each on a data directory; all are gone afterwards."""
    made = []

    def make(*options, name="data", data_dir=None, **settings):
        service = graft.Service(data_dir or tmp_path / name, *options, **settings)
        made.append(service)
        return service.start()

    yield make
    for service in made:
        service.close()
