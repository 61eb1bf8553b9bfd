"""Runs a program in a process of its own and measures the memory of that process.

peak_rss:     what the kernel saw at most (VmHWM), shared files included
peak_uss:     pages that no other process maps, sampled; a file that only this process maps counts
peak_private: pages written by this process, sampled; they can never be shared
All in MiB.
"""
import contextlib
import json
import re
import subprocess
import sys
import threading

INTERVAL = 0.1  # seconds between samples


class MemoryWatch:
    """Samples a process until stopped or until it is gone; its children are not counted."""

    def __init__(self, pid):
        self.peaks = {"peak_rss": 0.0, "peak_uss": 0.0, "peak_private": 0.0}
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while self._sample() and not self._stop.wait(INTERVAL):
            pass

    def _sample(self):
        try:
            with open(f"/proc/{self._pid}/status") as file:
                status = file.read()
            with open(f"/proc/{self._pid}/smaps_rollup") as file:
                rollup = file.read()
        except OSError:
            return False
        sizes = {name: int(size) / 1024 for name, size in re.findall(r"^(\w+):\s+(\d+) kB", status + rollup, re.M)}
        if "VmHWM" not in sizes or "Private_Dirty" not in sizes:
            return False  # a zombie has neither
        dirty = sizes["Private_Dirty"]
        now = {"peak_rss": sizes["VmHWM"], "peak_uss": dirty + sizes["Private_Clean"], "peak_private": dirty}
        self.peaks = {name: max(peak, now[name]) for name, peak in self.peaks.items()}
        return True

    def stop(self):
        """The peaks so far, with a last look."""
        self._stop.set()
        self._thread.join()
        self._sample()
        return self.peaks


@contextlib.contextmanager
def started(command, environment, **streams):
    """The process of a command; it does not outlive the block, however that ends."""
    process = subprocess.Popen(command, env=environment, **streams)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(command, environment):
    """Runs a command to its end; returns its peaks. Ends this program if the command fails."""
    with started(command, environment, stdout=sys.stderr) as process:
        watch = MemoryWatch(process.pid)
        if process.wait() != 0:
            sys.exit(f"peers: {' '.join(map(str, command))} ended with status {process.returncode}")
        return watch.stop()


def run_python(script, argument, environment):
    """Runs a script that prints RESULT and a JSON object when it has trained, and another when it has
    tested: memory counts up to the first. Returns all members of both, and the peaks."""
    with started([sys.executable, script, argument], environment, stdout=subprocess.PIPE, text=True) as process:
        watch = MemoryWatch(process.pid)
        result = {}
        for line in process.stdout:
            if line.startswith("RESULT "):
                result |= json.loads(line.removeprefix("RESULT ")) | (watch.stop() if not result else {})
        if process.wait() != 0 or not result:
            sys.exit(f"peers: {script} ended with status {process.returncode}")
        return result
