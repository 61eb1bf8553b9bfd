"""Trains the same rows with Graft and its peers, in turn and in one run; writes one table and one plot.

This process only reads rows, starts the programs and counts: it never imports torch, so that what a
program costs is in that program's own process. See tools/bench/README.md.
"""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import random
import signal
import statistics
import sys
import tempfile

import graft_run
import measured_process
import report

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HELD_TO_AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

# What peer_training.py is told; `batches` is random | grouped | fixed | even.
PEERS = {
    "adapterhub": ("AdapterHub fp32, random batches (as its users run it)",
                   {"library": "adapterhub", "precision": "fp32", "batches": "random"}),
    "adapterhub-grouped": ("AdapterHub fp32, length-grouped",
                           {"library": "adapterhub", "precision": "fp32", "batches": "grouped"}),
    "adapterhub-bf16": ("AdapterHub bf16 autocast, length-grouped",
                        {"library": "adapterhub", "precision": "bf16", "batches": "grouped"}),
    "compile": ("AdapterHub fp32, torch.compile, one shape (padded to the longest row)",
                {"library": "adapterhub", "precision": "fp32", "batches": "fixed", "compile": True}),
    "compile-even": ("AdapterHub fp32, torch.compile, one shape, rows of one length only (no padding)",
                     {"library": "adapterhub", "precision": "fp32", "batches": "even", "compile": True}),
    "compile-bf16-even": ("AdapterHub bf16 autocast, torch.compile, one shape, rows of one length only",
                          {"library": "adapterhub", "precision": "bf16", "batches": "even", "compile": True}),
    "peft": ("PEFT LoRA fp32, random batches", {"library": "peft", "precision": "fp32", "batches": "random"}),
}


def parse_options():
    parser = argparse.ArgumentParser(
        prog="tools/bench/peers", formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Trains the same rows with Graft, AdapterHub and PEFT, in turn and in one run.",
        epilog="peers: " + "; ".join(f"{name} = {title}" for name, (title, _) in PEERS.items()))
    parser.add_argument("data", nargs="+", type=pathlib.Path, metavar="DATA_DIR",
                        help="directory with train.jsonl and test.jsonl")
    parser.add_argument("--peers", default=",".join(PEERS), help="which to run, separated by commas; '' for none")
    parser.add_argument("--lanes", default="1,4", help="Graft's rows: lanes of each, separated by commas; '' for none")
    parser.add_argument("--worker", default=str(ROOT / "build/release/graft-worker"))
    parser.add_argument("--backbone", type=pathlib.Path, default=ROOT / ".deps/backbones/minilm")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, help="one epoch over as many rows as this many steps take, instead of all")
    parser.add_argument("--seconds", type=float, default=600,
                        help="a peer's training is cut after this long; what was measured until then counts")
    parser.add_argument("--rounds", type=int, default=1, help="every program once a round; medians are shown")
    parser.add_argument("--size", type=int, default=64, help="width of the Houlsby adapters")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--precision", help="Graft's: auto, fp32 or bf16")
    parser.add_argument("--no-accuracy", action="store_true", help="leave the test rows out")
    parser.add_argument("--held-to-avx2", action="store_true", help="all programs, on whatever CPU this is")
    parser.add_argument("--retries", type=int, default=1,
                        help="how often a run that other programs disturbed is repeated")
    parser.add_argument("--lock", type=pathlib.Path, help="file lock to hold during a round (shared machines)")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/bench",
                        help="directory of peers.md, peers.svg and peers.json")
    options = parser.parse_args()
    options.peers = [name for name in options.peers.split(",") if name]
    options.lanes = [int(count) for count in options.lanes.split(",") if count]
    for name in options.peers:
        if name not in PEERS:
            parser.error(f"no peer is called {name!r}; there are {', '.join(PEERS)}")
    for directory in options.data:
        for file in ("train.jsonl", "test.jsonl"):
            if not (directory / file).is_file():
                parser.error(f"{directory / file} is missing")
    if options.lanes and not os.access(options.worker, os.X_OK):
        parser.error(f"{options.worker} is no program; build the release preset or name one with --worker")
    if not (options.backbone / "config.json").is_file():
        parser.error(f"{options.backbone} is no backbone directory")
    if len({directory.resolve().name for directory in options.data}) < len(options.data):
        parser.error("two data directories have one name")
    options.backbone = options.backbone.resolve()
    return options


def write_training_rows(source, target, options):
    """The rows that every program trains on: all, or a seeded draw of as many as --steps takes."""
    lines = source.read_text().splitlines()
    if options.steps and options.steps * options.batch < len(lines):
        lines = random.Random(0).sample(lines, options.steps * options.batch)
    target.write_text("".join(line + "\n" for line in lines))


def environment_of_programs(options):
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads),
                       TORCHINDUCTOR_CACHE_DIR=str(ROOT / ".deps/verify/inductor"), TORCHINDUCTOR_COMPILE_THREADS="1")
    return environment | (HELD_TO_AVX2 if options.held_to_avx2 else {})


@contextlib.contextmanager
def held(lock):
    if lock is None:
        yield
        return
    with open(lock, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_peer(name, work, environment):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(work | PEERS[name][1], file)
        file.flush()
        return measured_process.run_python(HERE / "peer_training.py", file.name, environment)


def run_undisturbed(program, work, options, environment):
    """The result of a program; again, as often as --retries allows, while others took too much of the machine."""
    kind, which = program
    results = []
    while not results or (len(results) <= options.retries and results[-1]["others"] > report.DISTURBED):
        results.append(graft_run.train(options.worker, work, which, options.precision, environment)
                       if kind == "graft" else run_peer(which, work, environment))
    return min(results, key=lambda result: result["others"])


def programs(options):
    """Key of each program to its title, Graft's first."""
    titles = {("graft", lanes): "Graft" + (f", {lanes} lanes" if lanes > 1 else "") for lanes in options.lanes}
    return titles | {("peer", name): PEERS[name][0] for name in options.peers}


def compare(directory, options, environment, scratch):
    """One data set: yields (title, result) of every program of every round, as they end."""
    train = scratch / f"{directory.resolve().name}.jsonl"
    write_training_rows(directory / "train.jsonl", train, options)
    work = {key: getattr(options, key) for key in ("threads", "size", "batch", "rate", "max_length", "seconds")}
    work |= {"backbone": str(options.backbone), "train": str(train), "epochs": 1 if options.steps else options.epochs,
             "test": None if options.no_accuracy else str((directory / "test.jsonl").resolve())}
    for round_number in range(options.rounds):
        work["seed"] = 1 + round_number
        with held(options.lock):
            for program, title in programs(options).items():
                result = run_undisturbed(program, work, options, environment)
                print(f"{directory.name}, round {round_number + 1}, {title}: {result['tokens_per_second']:,.0f} "
                      f"tokens/s, others took {result['others']:.2f} cores", file=sys.stderr, flush=True)
                yield title, result


def middle(rounds):
    """The median of each number over rounds; accuracy and cut steps may be absent."""
    summary = {}
    for key in rounds[0]:
        values = [result[key] for result in rounds if result[key] is not None]
        summary[key] = statistics.median(values) if values else None
    return summary


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no program is left running
    options = parse_options()
    environment = environment_of_programs(options)
    options.out.mkdir(parents=True, exist_ok=True)
    settings = {key: str(value) if isinstance(value, pathlib.Path) else value
                for key, value in vars(options).items() if key != "data"}
    rounds = {}  # data set -> title -> results
    with tempfile.TemporaryDirectory() as scratch:
        for directory in options.data:
            results = rounds.setdefault(directory.resolve().name, {})
            for title, result in compare(directory, options, environment, pathlib.Path(scratch)):
                results.setdefault(title, []).append(result)
                (options.out / "peers.json").write_text(json.dumps(
                    {"processor": report.processor(), "settings": settings, "rounds": rounds}, indent=1))
    tables = {name: {title: middle(of_title) for title, of_title in results.items()}
              for name, results in rounds.items()}
    text = report.markdown(tables, options)
    (options.out / "peers.md").write_text(text)
    report.plot(tables, options, options.out / "peers.svg")
    print(text)


if __name__ == "__main__":
    main()
