#!/usr/bin/env python3
"""How far off the estimates of the time left were in a run that is over.

    tools/bench/eta_error.py RUN_DIR

For each lane, over the second half of its time: the mean of |estimated end - real end| as a share of
what was left, and its largest value as a share of the whole time.
"""
import json
import sys
from pathlib import Path

records = [json.loads(line) for line in (Path(sys.argv[1]) / "records.jsonl").read_text().splitlines()]
finished = {r["lane"]: r["time"] for r in records if r["type"] == "lane_finished"}
for lane, end in sorted(finished.items()):
    start = next(r["time"] for r in records if r["type"] == "data_ready" and r["lane"] == lane)
    progress = [r for r in records if r["type"] == "progress" and r["lane"] == lane]
    half = [r for r in progress if r["time"] >= (start + end) / 2]
    off = [abs(r["time"] + r["eta_seconds"] - end) for r in half]
    left = [max(end - r["time"], 1e-3) for r in half]
    whole = end - start
    fair = [o / l for o, l in zip(off, left) if l > whole / 20]
    print(f"lane {lane}: {whole:.1f} s, {len(half)} records in the second half; "
          f"error {100 * sum(fair) / len(fair):.1f} % of what was left on average, "
          f"at most {100 * max(fair):.1f} % (last twentieth left out), "
          f"at most {100 * max(off) / whole:.1f} % of the whole")
