"""A graftd of one's own: started on a free port with a scratch data directory, stopped by its pid.

`Service` finds the programs in $GRAFT_BUILD (default build/dev) and the backbone in .deps. Every
process that runs on its data directory belongs to it; `close` leaves none behind.
"""

import dataclasses
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.parse

import openai

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("GRAFT_BUILD", "build/dev")
BACKBONE = ROOT / ".deps/backbones/minilm"
ENDED = ("succeeded", "failed", "cancelled")


class Unexpected(AssertionError):
    """Something took too long or ended another way than the test needs."""


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        return json.loads(self.body)

    def error(self):
        return self.json()["error"]


def wait_until(condition, seconds, what):
    """The first true value of condition(), looked at often."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Unexpected(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def processes_on(directory):
    """{pid: argv} of graft programs whose command line names a path inside the directory."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z" and "graft" in argv[0] and any(str(directory) in word for word in argv):
            found[int(entry.name)] = argv
    return found


class Service:
    def __init__(self, data_dir, *options, backbone=BACKBONE, workers=1, worker_threads=1,
                 listen="127.0.0.1:0", log=None):
        self.data_dir = pathlib.Path(data_dir)
        self.options = list(options)
        self.backbone, self.listen = backbone, listen
        self.workers, self.worker_threads = workers, worker_threads
        self.process = None
        self.url = None
        self.log = log or self.data_dir.parent / f"{self.data_dir.name}.log"

    def start(self):
        command = [BUILD / "graftd", "--data-dir", self.data_dir, "--backbone", f"minilm={self.backbone}",
                   "--listen", self.listen, "--workers", str(self.workers),
                   "--worker-threads", str(self.worker_threads), *self.options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                                            stderr=log, stdin=subprocess.DEVNULL)
        for line in self.process.stdout:
            found = re.search(rb"http://[0-9.:]+", line)
            if found:
                self.url = found.group().decode()
                return self
        raise Unexpected(f"graftd did not start: {self.log_tail()}")

    def log_tail(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if " info GET " not in line)[-3000:]

    def stop(self):
        """SIGTERM; the seconds it took and the exit status."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        return time.monotonic() - began, status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop()
        for pid in processes_on(self.data_dir):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def command(self, *words):
        """Runs `graftd` with a subcommand on this data directory; its output."""
        done = subprocess.run([str(BUILD / "graftd"), "--data-dir", str(self.data_dir), *words],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # ---- HTTP, as plain as it gets ----

    def request(self, method, path, body=None, headers=None):
        """One request on a connection of its own; a dict is sent as JSON."""
        headers = dict(headers or {})
        if isinstance(body, dict):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        answer = self.request("GET", path, headers=headers)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json()

    def client(self, key="unused"):
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60)

    # ---- jobs ----

    def upload(self, rows, name="train.jsonl", client=None):
        content = rows if isinstance(rows, bytes) else "".join(
            json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        return (client or self.client()).files.create(file=(name, content), purpose="fine-tune").id

    def submit(self, rows, task, *, client=None, epochs=2, batch=16, size=8, **members):
        client = client or self.client()
        file_id = rows if isinstance(rows, str) else self.upload(rows, client=client)
        return client.fine_tuning.jobs.create(
            model="minilm", training_file=file_id, seed=7,
            hyperparameters={"n_epochs": epochs, "batch_size": batch},
            extra_body={"task": task, "adapter": {"size": size}, **members})

    def job(self, job_id):
        return self.get(f"/v1/fine_tuning/jobs/{job_id}")

    def wait_for(self, job_id, status, seconds=240):
        """Until the job has that status; fails at once where it ends in another."""

        def look():
            job = self.job(job_id)
            if job["status"] in ENDED and job["status"] != status:
                raise Unexpected(f"{job_id} {job['status']}: {job['error']}\n{self.log_tail()}")
            return job if job["status"] == status else None

        return wait_until(look, seconds, f"job {job_id} {status}")

    def wait_for_training(self, job_id, seconds=60):
        """Until the job's worker has done its first steps; the worker's pid."""
        wait_until(lambda: (self.job(job_id)["progress"] or {}).get("step", 0) > 0, seconds,
                   f"first progress of {job_id}")
        workers = self.training_pids()
        assert len(workers) == 1, workers
        return workers[0]

    def training_pids(self):
        return [pid for pid, argv in processes_on(self.data_dir).items()
                if argv[0].endswith("graft-worker") and "train" in argv]

    def learn(self, rows, task, **options):
        """Submits and waits; the finished job."""
        return self.wait_for(self.submit(rows, task, **options).id, "succeeded")

    def messages(self, job_id):
        events = self.get(f"/v1/fine_tuning/jobs/{job_id}/events?limit=100")["data"]
        return [event["message"] for event in events]

    def predict(self, path, inputs):
        """Waits for the prediction worker, which starts a moment after the daemon."""
        wait_until(lambda: self.request("GET", "/readyz").status == 200, 60, "readiness")
        answer = self.request("POST", f"/v1/tasks/{path}/predict", {"inputs": inputs})
        assert answer.status == 200, answer.body
        return answer
