"""AdapterHub and graft-worker on the same rows, in turn. See tools/bench/against_adapterhub."""
import argparse
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time


def read_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def train_with_adapterhub(options, data, seed):
    """fp32, random batches padded to their longest row: as AdapterHub's users run it."""
    import torch
    from adapters import AutoAdapterModel, DoubleSeqBnConfig
    from transformers import AutoTokenizer, get_linear_schedule_with_warmup

    torch.set_num_threads(options.threads)
    torch.manual_seed(seed)
    train, test = read_rows(data / "train.jsonl"), read_rows(data / "test.jsonl")
    labels = sorted({row["label"] for row in train})
    tokenizer = AutoTokenizer.from_pretrained(options.backbone)
    model = AutoAdapterModel.from_pretrained(options.backbone)
    hidden = model.config.hidden_size
    factor = hidden // options.size if hidden % options.size == 0 else hidden / (options.size + 0.5)
    model.add_adapter("bench", config=DoubleSeqBnConfig(reduction_factor=factor))
    model.add_classification_head("bench", num_labels=len(labels))
    model.train_adapter("bench")
    encoded = tokenizer([row["text"] for row in train], truncation=True, max_length=128)["input_ids"]
    targets = torch.tensor([labels.index(row["label"]) for row in train])
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=options.rate, weight_decay=0.0)
    steps = options.epochs * -(-len(train) // options.batch)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    tokens, started = 0, time.perf_counter()
    model.train()
    for _ in range(options.epochs):
        order = torch.randperm(len(train))
        for chosen in order.split(options.batch):
            inputs = tokenizer.pad({"input_ids": [encoded[i] for i in chosen]}, return_tensors="pt")
            loss = torch.nn.functional.cross_entropy(model(**inputs).logits, targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            tokens += int(inputs["attention_mask"].sum())
    seconds = time.perf_counter() - started
    model.eval()
    hits = 0
    with torch.no_grad():
        for begin in range(0, len(test), 64):
            rows = test[begin:begin + 64]
            inputs = tokenizer([row["text"] for row in rows], truncation=True, max_length=128,
                               padding=True, return_tensors="pt")
            predicted = model(**inputs).logits.argmax(-1).tolist()
            hits += sum(labels[p] == row["label"] for p, row in zip(predicted, rows))
    return {"tokens_per_second": tokens / seconds, "seconds": seconds, "accuracy": hits / len(test)}


def train_with_graft(options, data, seed):
    with tempfile.TemporaryDirectory() as scratch:
        run = pathlib.Path(scratch)
        source = data / "train.jsonl"
        lane = {"trial_id": "trial", "job_id": "job", "adapter_name": "bench", "task_name": "bench",
                "training_file": {"path": str(source.resolve()), "name": source.name,
                                  "sha256": hashlib.sha256(source.read_bytes()).hexdigest()},
                "validation_file": None, "validation_fraction": options.validation, "method": "houlsby",
                "size": options.size, "activation": "swish", "init_std": 0.02, "train_layer_norm": False,
                "learning_rate": options.rate, "batch_size": options.batch, "n_epochs": options.epochs,
                "max_length": 128, "warmup_ratio": 0.1, "weight_decay": 0.0, "seed": seed}
        (run / "order.json").write_text(json.dumps({
            "protocol_version": 1, "run_id": "bench", "backbone_name": "bench",
            "backbone_directory": str(options.backbone), "backbone_sha256": "",
            "program_version": "bench", "threads": options.threads, "device": "cpu", "lanes": [lane]}))
        environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
        subprocess.run([options.worker, "train", str(run)], check=True, env=environment)
        records = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
        finished = [record for record in records if record["type"] == "lane_finished"]
        if not finished:
            sys.exit(f"graft-worker did not finish: {records[-2:]}")
        metrics = finished[0]["metrics"]
        test = read_rows(data / "test.jsonl")
        texts = "".join(" ".join(row["text"].split()) + "\n" for row in test)
        output = subprocess.run([options.worker, "predict", str(run / "lane-0/result.zip"), "--backbone",
                                 str(options.backbone), "--threads", str(options.threads)], check=True,
                                input=texts.encode(), stdout=subprocess.PIPE).stdout.splitlines()
        hits = 0
        for line, row in zip(output, test):
            answer = json.loads(line)
            hits += answer["labels"][max(range(len(answer["logits"])), key=answer["logits"].__getitem__)] == row["label"]
        return {"tokens_per_second": metrics["tokens_per_second"], "seconds": metrics["training_seconds"],
                "accuracy": hits / len(test)}


def main():
    root = pathlib.Path(sys.argv[sys.argv.index("--root") + 1])
    parser = argparse.ArgumentParser(prog="tools/bench/against_adapterhub", description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("data", nargs="+", type=pathlib.Path)
    parser.add_argument("--backbone", type=pathlib.Path, default=root / ".deps/backbones/minilm")
    parser.add_argument("--worker", default=str(root / "build/release/graft-worker"))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--validation", type=float, default=0.1, help="share that Graft holds out")
    parser.add_argument("--only", choices=["adapterhub", "graft"])
    options = parser.parse_args()
    options.backbone = options.backbone.resolve()
    programs = {"adapterhub": train_with_adapterhub, "graft": train_with_graft}
    print(f"{processor()}, {options.threads} threads; Houlsby size {options.size}, batch {options.batch}, "
          f"{options.epochs} epochs, rate {options.rate}, fp32; medians of {options.rounds}\n")
    print("| data | program | tokens/s | training seconds | test accuracy | against AdapterHub |\n"
          "|---|---|---|---|---|---|")
    for data in options.data:
        results = {name: [] for name in programs if options.only in (None, name)}
        for round_number in range(options.rounds):
            for name in results:
                results[name].append(programs[name](options, data, 1 + round_number))
        peer = None
        for name, runs in results.items():
            middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            peer = peer or (middle["tokens_per_second"] if name == "adapterhub" else None)
            ratio = f"{middle['tokens_per_second'] / peer:.2f}x" if peer else "-"
            print(f"| {data.name} | {name} | {middle['tokens_per_second']:,.0f} | {middle['seconds']:.1f} | "
                  f"{100 * middle['accuracy']:.1f} % | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
