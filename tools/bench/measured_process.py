"""Runs a program in a process of its own and measures that process.

peak_rss:     what the kernel saw at most (VmHWM), shared files included
peak_uss:     pages that no other process maps, sampled; a file that only this process maps counts
peak_private: pages written by this process, sampled; they can never be shared
others:       cores that all other processes and the hypervisor took meanwhile: a measurement wants 0
Memory in MiB.
"""
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time

INTERVAL = 0.25  # seconds between samples; a look costs milliseconds
TICKS = os.sysconf("SC_CLK_TCK")


def busy_seconds():
    """All cores' time so far in programs, the kernel, or taken by the hypervisor."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


class Watch:
    """Samples a process until stopped or until it is gone; memory of its children is not counted."""

    def __init__(self, pid):
        self._peaks = {"peak_rss": 0.0, "peak_uss": 0.0, "peak_private": 0.0}
        self._pid = pid
        self._begun, self._busy_before = time.perf_counter(), busy_seconds()
        self._others = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while self._sample() and not self._stop.wait(INTERVAL):
            pass

    def _sample(self):
        try:
            status, rollup = self._read("status"), self._read("smaps_rollup")
            times = self._read("stat").rpartition(")")[2].split()[11:15]  # user, system, and waited-for children's
        except OSError:
            return False
        sizes = {name: int(size) / 1024 for name, size in re.findall(r"^(\w+):\s+(\d+) kB", status + rollup, re.M)}
        if "VmHWM" not in sizes or "Private_Dirty" not in sizes:
            return False  # a zombie has neither
        dirty = sizes["Private_Dirty"]
        now = {"peak_rss": sizes["VmHWM"], "peak_uss": dirty + sizes["Private_Clean"], "peak_private": dirty}
        self._peaks = {name: max(peak, now[name]) for name, peak in self._peaks.items()}
        own = sum(map(int, times)) / TICKS
        elapsed = time.perf_counter() - self._begun
        self._others = max(0.0, busy_seconds() - self._busy_before - own) / elapsed
        return True

    def _read(self, name):
        with open(f"/proc/{self._pid}/{name}") as file:
            return file.read()

    def stop(self):
        """What was seen so far, with a last look."""
        self._stop.set()
        self._thread.join()
        self._sample()
        return self._peaks | {"others": self._others}


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
    """Runs a command to its end; returns what its watch saw. Ends this program if the command fails."""
    with started(command, environment, stdout=sys.stderr) as process:
        watch = Watch(process.pid)
        if process.wait() != 0:
            sys.exit(f"peers: {' '.join(map(str, command))} ended with status {process.returncode}")
        return watch.stop()


def run_python(script, argument, environment):
    """Runs a script that prints RESULT and a JSON object when it has trained, and another when it has
    tested: memory counts up to the first. Returns all members of both, and what the watch saw."""
    with started([sys.executable, script, argument], environment, stdout=subprocess.PIPE, text=True) as process:
        watch = Watch(process.pid)
        result = {}
        for line in process.stdout:
            if line.startswith("RESULT "):
                result |= json.loads(line.removeprefix("RESULT ")) | (watch.stop() if not result else {})
        if process.wait() != 0 or not result:
            sys.exit(f"peers: {script} ended with status {process.returncode}")
        return result
