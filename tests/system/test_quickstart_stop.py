"""Ctrl-C in tools/quickstart, on a terminal of its own: one clean stop, said in words, nothing left but trainings."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

import sentences
import service as graft

CTRL_C = b"\x03"


class Terminal:
    """A program on a pseudo-terminal whose foreground it is, as in a person's shell."""

    def __init__(self, *command):
        self.text = ""
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(graft.ROOT)
                os.execv(command[0], [str(word) for word in command])
            finally:
                os._exit(127)
        self.status = None

    def read_until(self, pattern, seconds):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            left = end - time.monotonic()
            ready = select.select([self.screen], [], [], max(left, 0))[0]
            if not ready:
                raise graft.Unexpected(f"{pattern!r} did not appear: {self.text[-3000:]}")
            try:
                part = os.read(self.screen, 65536)
            except OSError:  # the terminal's last process is gone
                part = b""
            if not part:
                if re.search(pattern, self.text):
                    return
                raise graft.Unexpected(f"ended before {pattern!r}: {self.text[-3000:]}")
            self.text += part.decode("utf-8", "replace")

    def type(self, keys):
        os.write(self.screen, keys)

    def wait(self, seconds):
        """Reads on to the end; the exit status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.screen], [], [], 0.1)[0]:
                try:
                    part = os.read(self.screen, 65536)
                    self.text += part.decode("utf-8", "replace")
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return self.status
        raise graft.Unexpected(f"did not end: {self.text[-3000:]}")

    def close(self):
        if self.status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        os.close(self.screen)


@pytest.fixture
def data(tmp_path):
    """A data directory with sample tasks that take longer than the test."""
    samples = tmp_path / "data/samples"
    samples.mkdir(parents=True)
    for number, task in enumerate(("section", "interface", "role")):
        for side, rows in (("train", 4000), ("test", 40)):
            lines = sentences.sentences(sentences.TOPICS, rows, seed=number)
            (samples / f"{task}.{side}.jsonl").write_text(
                "".join(json.dumps(row) + "\n" for row in lines))
    yield tmp_path / "data"
    for pid in graft.processes_on(tmp_path):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_ctrl_c_is_one_clean_stop_said_in_words(data):
    terminal = Terminal("/bin/bash", "tools/quickstart", "--data", data, "--build", graft.BUILD)
    try:
        terminal.read_until(r"graftd serves at http", 30)
        terminal.read_until(r"running .*\d+/\d+ steps", 40)
        terminal.type(CTRL_C)
        terminal.read_until("stopping the service", 5)
        terminal.type(CTRL_C)  # impatience changes nothing
        assert terminal.wait(15) == 130
    finally:
        terminal.close()
    log = (data / "graftd.log").read_text()
    assert log.count("stopping:") == 1
    assert "stopped" in log.splitlines()[-1]
    assert "told twice" not in log
    assert "Traceback" not in terminal.text
    assert terminal.text.count("service stopped") == 1
    assert f"--data-dir {data}" in terminal.text[terminal.text.index("to come back"):]
    left = graft.processes_on(data)
    assert all("train" in argv for argv in left.values()), left
    if left:
        assert "go on in the background" in terminal.text
        assert all(str(pid) in terminal.text for pid in left)


def test_options_that_are_not_understood_are_named():
    for words, reason in ((["--onec"], "--onec is not understood"), (["--data"], "--data needs a directory")):
        done = subprocess.run(["tools/quickstart", *words], cwd=graft.ROOT, capture_output=True, text=True)
        assert done.returncode == 2
        assert reason in done.stderr
    done = subprocess.run(["tools/quickstart", "--help"], cwd=graft.ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--build DIR" in done.stdout and "set -euo" not in done.stdout
