#!/usr/bin/env python3
"""The client half of tools/quickstart: uploads the sample tasks, submits a job for each, follows them,
measures each new version on its test file through predict, and lets it label a sentence.

    tools/quickstart_client.py URL SAMPLES_DIR

Plain HTTP with Python's standard library; ends with status 1 where a job did not succeed."""

import json
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

SENTENCES = {
    "section": "Race a penguin down snowy mountains and collect herrings",
    "interface": "Background service that answers DNS queries for the local network",
    "role": "Headers and static library for decoding PNG images",
}
ENDED = ("succeeded", "failed", "cancelled")
POLL_SECONDS = 0.25
PLAIN_LINE_SECONDS = 10  # between two progress lines of a task where the output is no terminal

# The service is on this machine: never through a proxy.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method, url, body=None, content_type="application/json"):
    """One request; the answer's JSON. Ends the program with the service's own words where it refuses."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", content_type)
    try:
        with opener.open(request, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode("utf-8", "replace")
        try:
            text = json.loads(text)["error"]["message"]
        except (ValueError, KeyError, TypeError):
            pass
        sys.exit(f"{method} {url} answered {error.code}: {text}")
    except OSError as error:
        sys.exit(f"{method} {url}: {error}")


def upload(url, path):
    boundary = uuid.uuid4().hex
    head = (f"--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n"
            f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{path.name}\"\r\n"
            "Content-Type: application/octet-stream\r\n\r\n").encode()
    body = head + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    return call("POST", f"{url}/v1/files", body, f"multipart/form-data; boundary={boundary}")["id"]


class Follower:
    """What is shown of one job while it goes on."""

    def __init__(self, url, task, file_id):
        self.url, self.task = url, task
        self.submitted = time.monotonic()
        self.job = call("POST", f"{url}/v1/fine_tuning/jobs",
                        {"model": "minilm", "training_file": file_id, "task": task})
        self.started = None  # seconds from submission to the first training step
        self.printed = (None, 0.0)

    def look(self):
        if self.job["status"] not in ENDED:
            self.job = call("GET", f"{self.url}/v1/fine_tuning/jobs/{self.job['id']}")
        if self.started is None and ((self.job.get("progress") or {}).get("step") or 0) > 0:
            self.started = time.monotonic() - self.submitted

    def ended(self):
        return self.job["status"] in ENDED

    def line(self):
        job, progress = self.job, self.job.get("progress") or {}
        step, total = progress.get("step") or 0, progress.get("total_steps") or 0
        filled = round(24 * step / total) if total else 0
        text = f"  {self.task:<10} {job['status']:<16} [{'#' * filled}{'.' * (24 - filled)}]"
        if total:
            text += f" {step}/{total} steps"
        if progress.get("tokens_per_second"):
            text += f", {progress['tokens_per_second']:,.0f} tokens/s"
        if job["status"] == "running" and job.get("estimated_finish"):
            text += f", {max(0, job['estimated_finish'] - time.time()):.0f} s left"
        if job.get("error"):
            text += f"  {job['error'].get('message')}"
        return text


def follow(followers):
    """Until every job ended: on a terminal one line a task that changes in place, else plain lines."""
    terminal = sys.stdout.isatty()
    drawn = False
    while True:
        for follower in followers:
            follower.look()
        if terminal:
            if drawn:
                sys.stdout.write(f"\033[{len(followers)}A")
            for follower in followers:
                sys.stdout.write("\r\033[K" + follower.line() + "\n")
            drawn = True
        else:
            for follower in followers:
                status, at = follower.printed
                due = time.monotonic() - at > PLAIN_LINE_SECONDS and follower.job["status"] == "running"
                if follower.job["status"] != status or due:
                    print(follower.line())
                    follower.printed = (follower.job["status"], time.monotonic())
        sys.stdout.flush()
        if all(follower.ended() for follower in followers):
            return
        time.sleep(POLL_SECONDS)


def test_accuracy(predict_url, rows):
    right = 0
    for start in range(0, len(rows), 64):
        part = rows[start:start + 64]
        answers = call("POST", predict_url, {"inputs": [row["text"] for row in part]})
        right += sum(answer[0]["label"] == row["label"] for answer, row in zip(answers, part))
    return right / len(rows)


def report(url, samples, follower):
    task = urllib.parse.quote(follower.task)
    version = call("GET", f"{url}/v1/tasks/{task}/versions/{follower.job['version']}")
    with open(samples / f"{follower.task}.test.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    predict_url = f"{url}/v1/tasks/{task}/versions/{version['version']}/predict"
    accuracy = test_accuracy(predict_url, rows)
    sentence = SENTENCES[follower.task]
    best = call("POST", predict_url, {"inputs": sentence})[0][0]
    metrics = version["metrics"]
    print(f"\n{follower.task} version {version['version']}: test accuracy {accuracy:.1%} on {len(rows)} rows, "
          f"validation {metrics['valid_accuracy']:.1%}, {len(version['labels'])} labels, "
          f"{metrics['training_seconds']:.0f} s, {metrics['tokens_per_second']:,.0f} tokens/s")
    print(f"  \"{sentence}\" -> {best['label']} ({best['score']:.1%})")
    print(f"  predict   {url}/v1/tasks/{task}/predict")
    print(f"  download  {url}{version['download_url']}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    url, samples = sys.argv[1].rstrip("/"), pathlib.Path(sys.argv[2])
    followers = []
    for task in SENTENCES:
        file_id = upload(url, samples / f"{task}.train.jsonl")
        followers.append(Follower(url, task, file_id))
    print(f"submitted {len(followers)} jobs; page: {url}/")
    follow(followers)
    first = followers[0]
    if first.started is not None:
        print(f"the first job started training {first.started:.1f} s after its submission")
    failed = [follower for follower in followers if follower.job["status"] != "succeeded"]
    for follower in followers:
        if follower not in failed:
            report(url, samples, follower)
    print(f"\npage  {url}/\nAPI   {url}/openapi.json\ndocs  README.md, docs/")
    if failed:
        sys.exit("not learned: " + ", ".join(follower.task for follower in failed))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # tools/quickstart says what happens now
