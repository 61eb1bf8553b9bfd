#!/usr/bin/env python3
"""Exports what the tests of metrics compare with, once, from the libraries that define them.

    python tools/export_reference_metrics.py   -> tests/reference/metrics.json

Seeded cases, and degenerate ones: one class predicted, one class there, ties, constant scores, labels that no row has.
Numbers that scikit-learn or scipy leave undefined are null. Needs a virtual environment with scikit-learn==1.9.1 and
scipy==1.17.1. The file is committed; running it again gives the same numbers.
"""
import json
import math
import pathlib
import random
import warnings

from scipy.stats import pearsonr, spearmanr
from sklearn import metrics as sk

ROOT = pathlib.Path(__file__).resolve().parent.parent
warnings.simplefilter("ignore")
draw = random.Random(7)


def number(value):
    value = float(value)
    return value if math.isfinite(value) else None


def classification(predicted, truth, labels):
    precision, recall, f1, rows = sk.precision_recall_fscore_support(
        truth, predicted, labels=range(labels), zero_division=0)
    return {"predicted": predicted, "truth": truth, "labels": labels,
            "accuracy": number(sk.accuracy_score(truth, predicted)),
            "macro_f1": number(sk.f1_score(truth, predicted, average="macro", zero_division=0)),
            "weighted_f1": number(sk.f1_score(truth, predicted, average="weighted", zero_division=0)),
            "matthews": number(sk.matthews_corrcoef(truth, predicted)),
            "precision": list(map(number, precision)), "recall": list(map(number, recall)),
            "f1": list(map(number, f1)), "rows": list(map(int, rows))}


def ranking(scores, positive):
    one_class = len(set(positive)) < 2
    return {"scores": scores, "positive": positive,
            "roc_auc": None if one_class else number(sk.roc_auc_score(positive, scores)),
            "average_precision": number(sk.average_precision_score(positive, scores)) if any(positive) else 0.0}


def multi_label(predicted, truth):
    return {"predicted": predicted, "truth": truth,
            "macro_f1": number(sk.f1_score(truth, predicted, average="macro", zero_division=0)),
            "micro_f1": number(sk.f1_score(truth, predicted, average="micro", zero_division=0))}


def numbers(predicted, truth):
    few = len(truth) < 2
    return {"predicted": predicted, "truth": truth,
            "pearson": None if few else number(pearsonr(predicted, truth).statistic),
            "spearman": None if few else number(spearmanr(predicted, truth).statistic),
            "mse": number(sk.mean_squared_error(truth, predicted)),
            "mae": number(sk.mean_absolute_error(truth, predicted))}


def sixteenths():  # exact as a float and as JSON
    return draw.randrange(0, 17) / 16


def main():
    classes = [classification([draw.randrange(n) for _ in range(rows)], [draw.randrange(n) for _ in range(rows)], n)
               for n, rows in ((2, 20), (3, 50), (7, 40), (5, 200))]
    classes += [classification([0] * 10, [0, 1] * 5, 2), classification([1] * 6, [1] * 6, 2),
                classification([0, 1, 2], [1, 2, 0], 3), classification([2, 2, 2], [0, 0, 1], 4)]
    rankings = [ranking([sixteenths() for _ in range(rows)], [draw.randrange(2) for _ in range(rows)])
                for rows in (10, 60, 300)]
    rankings += [ranking([0.5] * 8, [0, 1] * 4), ranking([0.25, 0.5], [1, 1]), ranking([0.25, 0.5], [0, 0]),
                 ranking([0.125, 0.5, 0.5, 1.0], [0, 1, 0, 1])]
    sets = [multi_label([[draw.randrange(2) for _ in range(n)] for _ in range(30)],
                        [[draw.randrange(2) for _ in range(n)] for _ in range(30)]) for n in (2, 5)]
    sets += [multi_label([[0, 0, 0]] * 4, [[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 0]]),
             multi_label([[1, 1, 1]] * 4, [[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 0]])]
    regressions = [numbers([round(draw.uniform(0, 5), 3) for _ in range(rows)],
                           [round(draw.uniform(0, 5), 1) for _ in range(rows)]) for rows in (2, 10, 200)]
    regressions += [numbers([2.5] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]), numbers([1.0, 2.0, 3.0], [0.1] * 3),
                    numbers([1.0], [2.0]), numbers([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]),
                    numbers([1e12, 1e12 + 1, 1e12 + 3], [3.0, 2.0, 1.0])]
    path = ROOT / "tests/reference/metrics.json"
    path.write_text(json.dumps({"classification": classes, "ranking": rankings, "multi_label": sets,
                                "numbers": regressions}, separators=(",", ":")) + "\n")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
