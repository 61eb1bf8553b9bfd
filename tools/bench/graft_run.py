"""Trains lanes with `graft-worker train` and reads its records; tests with `graft-worker predict`."""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import measured_process


def order(work, lanes, precision, cache):
    """The order of a run: the same rows in each lane, with seeds from the given one on; no row held out."""
    source = pathlib.Path(work["train"])
    lane = {"job_id": "job", "adapter_name": "bench", "task_name": "bench",
            "training_file": {"path": str(source), "name": source.name,
                              "sha256": hashlib.sha256(source.read_bytes()).hexdigest()},
            "validation_file": None, "validation_fraction": 0.0, "method": "houlsby", "size": work["size"],
            "activation": "swish", "init_std": 0.02, "train_layer_norm": False, "learning_rate": work["rate"],
            "batch_size": work["batch"], "n_epochs": work["epochs"], "max_length": work["max_length"],
            "warmup_ratio": 0.1, "weight_decay": 0.0}
    whole = {"protocol_version": 1, "run_id": "bench", "backbone_name": "bench",
             "backbone_directory": work["backbone"], "backbone_sha256": "", "program_version": "bench",
             "threads": work["threads"], "device": "cpu", "cache_directory": str(cache),
             "lanes": [lane | {"trial_id": f"trial-{k}", "seed": work["seed"] + k} for k in range(lanes)]}
    return whole | ({"precision": precision} if precision else {})


def measured_part(records):
    """Tokens of all lanes, and seconds by the clock, from the first record of progress (the worker writes
    one after its first step) to the last step."""
    progress = {}
    for record in records:
        if record["type"] == "progress":
            progress.setdefault(record["lane"], []).append(record)
    first, last = [marks[0] for marks in progress.values()], [marks[-1] for marks in progress.values()]
    seconds = min(mark["time"] for mark in last) - min(mark["time"] for mark in first)
    return sum(mark["trained_tokens"] for mark in last) - sum(mark["trained_tokens"] for mark in first), seconds


def train(worker, work, lanes, precision, environment):
    with tempfile.TemporaryDirectory() as scratch:
        run = pathlib.Path(scratch)
        (run / "order.json").write_text(json.dumps(order(work, lanes, precision, run / "cache")))
        peaks = measured_process.run([worker, "train", str(run)], environment)
        records = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
        finished = [record["metrics"] for record in records if record["type"] == "lane_finished"]
        if len(finished) != lanes:
            sys.exit(f"peers: graft-worker finished {len(finished)} of {lanes} lanes: {records[-2:]}")
        tokens, seconds = measured_part(records)
        all_tokens = sum(lane["trained_tokens"] for lane in finished)
        rows = sum(lane["training_rows"] for lane in finished) * work["epochs"]
        return peaks | {
            "tokens_per_second": tokens / seconds, "samples_per_second": tokens / seconds * rows / all_tokens,
            "tokens_per_second_of_worker": all_tokens / max(lane["training_seconds"] for lane in finished),
            "steps": max(lane["steps"] for lane in finished), "cut": 0, "tokens": all_tokens / lanes,
            "seconds": seconds, "trainable_parameters": finished[0]["trainable_parameters"],
            "accuracy": accuracy(worker, run / "lane-0/result.zip", work, environment) if work["test"] else None}


def accuracy(worker, bundle, work, environment):
    test = [json.loads(line) for line in pathlib.Path(work["test"]).read_text().splitlines()]
    texts = "".join(" ".join(row["text"].split()) + "\n" for row in test)
    output = subprocess.run([worker, "predict", str(bundle), "--backbone", work["backbone"], "--threads",
                             str(work["threads"])], check=True, input=texts.encode(), stdout=subprocess.PIPE,
                            env=environment).stdout.splitlines()
    hits = 0
    for line, row in zip(output, test, strict=True):
        answer = json.loads(line)
        best = max(range(len(answer["logits"])), key=answer["logits"].__getitem__)
        hits += answer["labels"][best] == row["label"]
    return hits / len(test)
