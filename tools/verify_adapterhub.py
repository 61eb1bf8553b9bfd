"""Compares bundles as AdapterHub loads them with what graft-worker computes. See tools/verify_adapterhub."""
import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile

TEXTS = ["What county is Modesto , California in ?", "a gob of drivel so sickly sweet", "no", "",
         "Zürich, 東京 and 🙂 in one long sentence that goes on and on, with numbers such as 3.14159",
         "It was the best of times, it was the worst of times. " * 40]
SIZES = (1, 13, 15, 24, 30, 64, 100)
TOLERANCE = 1e-4


def find_worker(root, named):
    for path in [named] if named else [root / "build" / b / "graft-worker" for b in ("release", "dev")]:
        if path and pathlib.Path(path).exists():
            return str(path)
    sys.exit("verify_adapterhub: no graft-worker; build it or name it with --worker")


def unpack(bundle, directory):
    """The bundle as a directory and as a zip, whatever it was."""
    unpacked, packed = directory / "unpacked", directory / "adapter.zip"
    if bundle.startswith(("http://", "https://")):
        with urllib.request.urlopen(bundle) as response, open(packed, "wb") as file:
            shutil.copyfileobj(response, file)
    elif pathlib.Path(bundle).is_dir():
        shutil.copytree(bundle, unpacked)
        shutil.make_archive(str(packed.with_suffix("")), "zip", unpacked)
        return unpacked, packed
    else:
        shutil.copyfile(bundle, packed)
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(unpacked)
    return unpacked, packed


def our_logits(worker, packed, backbone, texts):
    lines = "".join(text + "\n" for text in texts)
    output = subprocess.run([worker, "predict", str(packed), "--backbone", str(backbone)], check=True,
                            input=lines.encode(), stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in output.splitlines()]


def their_logits(backbone, source, use_safetensors, texts, max_length):
    import torch
    from adapters import AutoAdapterModel
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(backbone)
    model = AutoAdapterModel.from_pretrained(backbone)
    info = {}
    name = model.load_adapter(str(source), loading_info=info, use_safetensors=use_safetensors)
    left = {key: value for key, value in info.items() if value}
    if left:
        sys.exit(f"verify_adapterhub: {source}: loading_info is not empty: {left}")
    model.set_active_adapters(name)
    model.eval()
    labels = model.get_labels(name)
    rows = []
    with torch.no_grad():
        for text in texts:
            inputs = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
            rows.append(model(**inputs).logits[0].tolist())
    return labels, rows


def verify(worker, bundle, backbone, texts):
    with tempfile.TemporaryDirectory() as scratch:
        unpacked, packed = unpack(bundle, pathlib.Path(scratch))
        own = json.loads((unpacked / "graft.json").read_text())
        ours = our_logits(worker, packed, backbone, texts)
        max_length = own["hyperparameters"]["max_length"]
        without_bin = pathlib.Path(scratch) / "safetensors_only"
        shutil.copytree(unpacked, without_bin, ignore=shutil.ignore_patterns("*.bin"))
        worst = 0.0
        is_url = bundle.startswith(("http://", "https://"))
        for source, use_safetensors in ((bundle if is_url else unpacked, False), (without_bin, True)):
            labels, theirs = their_logits(backbone, source, use_safetensors, texts, max_length)
            if labels != ours[0]["labels"]:
                sys.exit(f"verify_adapterhub: labels {labels} are not {ours[0]['labels']}")
            for mine, other in zip(ours, theirs):
                worst = max(worst, max(abs(a - b) for a, b in zip(mine["logits"], other)))
        print(f"{'ok' if worst <= TOLERANCE else 'DIFFERS'}  {described(own['hyperparameters'])}: .bin and "
              f".safetensors load whole, largest difference of {len(texts)} x {len(labels)} logits {worst:.1e}")
        return worst <= TOLERANCE


def described(kind):
    if kind["method"] == "head":
        return "head alone"
    of_kind = f" of {kind['task_kind']}" if kind.get("task_kind", "classification") != "classification" else ""
    left_out = f" without layers {kind['leave_out']}" if kind.get("leave_out") else ""
    return f"{kind['method']} size {kind['size']}{left_out}{of_kind}"


def last_layers(backbone, count):
    """leave_out of an adapter in the topmost layers only."""
    return list(range(json.loads((backbone / "config.json").read_text())["num_hidden_layers"] - count))


def rows_of(task_kind):
    for i in range(36):
        word = ("alpha", "beta", "gamma")[i % 3]
        target = {"multi_label": {"labels": [word, "delta"] if i % 2 else [word]},
                  "regression": {"score": i + 0.5}}.get(task_kind, {"label": word})
        yield {"text": f"{word} number {i // 3}", **target}


def train_briefly(worker, backbone, directory, method, size=64, leave_out=(), task_kind="classification"):
    rows = list(rows_of(task_kind))
    data = directory / f"{task_kind}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    name = "_".join([method, str(size), *map(str, leave_out), task_kind])
    run = directory / name
    run.mkdir()
    lane = {"trial_id": "trial", "job_id": "job", "adapter_name": f"t_{name}", "task_name": "verify", "task_kind": task_kind,
            "training_file": {"path": str(data), "name": data.name,
                              "sha256": hashlib.sha256(data.read_bytes()).hexdigest()},
            "validation_file": None, "validation_fraction": 0.1, "method": method, "size": size,
            "leave_out": list(leave_out),
            "activation": "swish" if method == "houlsby" else "relu", "init_std": 0.02,
            "train_layer_norm": False, "learning_rate": 1e-3, "batch_size": 16, "n_epochs": 1,
            "max_length": 64, "warmup_ratio": 0.1, "weight_decay": 0.0, "seed": 42}
    (run / "order.json").write_text(json.dumps({
        "protocol_version": 1, "run_id": "verify", "backbone_name": "verified-backbone",
        "backbone_directory": str(backbone), "backbone_sha256": "", "program_version": "verify",
        "threads": 1, "device": "cpu", "lanes": [lane]}))
    subprocess.run([worker, "train", str(run)], check=True)
    return str(run / "lane-0" / "result.zip")


def main():
    parser = argparse.ArgumentParser(prog="tools/verify_adapterhub", description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("bundle", nargs="?")
    parser.add_argument("backbone", type=pathlib.Path)
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("--worker")
    parser.add_argument("--texts", type=pathlib.Path, help="a text a line, instead of the built-in ones")
    options = parser.parse_args()
    worker = find_worker(options.root, options.worker)
    texts = options.texts.read_text().splitlines() if options.texts else TEXTS
    backbone = options.backbone.resolve()
    if options.sizes:
        with tempfile.TemporaryDirectory() as scratch:
            kinds = [(method, size) for method in ("houlsby", "pfeiffer") for size in SIZES]
            kinds += [("houlsby", 64, last_layers(backbone, 3)), ("pfeiffer", 24, [0, 2]), ("head",)]
            bundles = [train_briefly(worker, backbone, pathlib.Path(scratch), *kind) for kind in kinds]
            bundles += [train_briefly(worker, backbone, pathlib.Path(scratch), "houlsby", task_kind=kind)
                        for kind in ("multi_label", "regression")]
            good = [verify(worker, bundle, backbone, texts) for bundle in bundles]
    elif options.bundle:
        good = [verify(worker, options.bundle, backbone, texts)]
    else:
        parser.error("name a bundle, or --sizes")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
