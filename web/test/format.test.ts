import { describe, expect, test } from "vitest";
import type { Job, Status } from "../src/api";
import { ago, announcement, bytes, duration, metricName, metricValue, percent, progressShare, rate, timing } from "../src/format";

function job(status: Status, more: Partial<Job> = {}): Job {
  return {
    id: "ftjob-1", created_at: 1000, started_at: null, finished_at: null, model: "minilm", status, task: "topics", version: null,
    progress: null, estimated_finish: null, held: null, trained_tokens: null, error: null, ...more,
  };
}

describe("numbers", () => {
  test("a share is shown as a percentage with one digit, a missing one as a dash", () => {
    expect(percent(0.9564)).toBe("95.6 %");
    expect(percent(0)).toBe("0.0 %");
    expect(percent(null)).toBe("–");
    expect(percent(Number.NaN)).toBe("–");
  });
  test("metrics are named as people write them; correlations and errors are no percentages", () => {
    expect(["valid_accuracy", "valid_macro_f1", "valid_roc_auc", "valid_pearson", "valid_mse"].map(metricName)).toEqual(
      ["accuracy", "macro F1", "ROC AUC", "Pearson", "MSE"]);
    expect(metricValue("valid_accuracy", 0.5)).toBe("50.0 %");
    expect(metricValue("valid_pearson", -0.25)).toBe("-0.250");
    expect(metricValue("valid_mse", 12.5)).toBe("12.500");
    expect(metricValue("valid_accuracy", undefined)).toBe("–");
  });
  test("sizes climb through their units without ever showing 1000", () => {
    expect(bytes(999)).toBe("999 B");
    expect(bytes(1_840)).toBe("1.8 kB");
    expect(bytes(999_700)).toBe("1.0 MB");
    expect(bytes(12_345_678)).toBe("12 MB");
  });
  test("a rate of nothing is a dash", () => {
    expect(rate(0)).toBe("–");
    expect(rate(12345.6)).toBe("12,346");
  });
});

describe("times", () => {
  test("durations carry two units at most", () => {
    expect(duration(59.4)).toBe("59 s");
    expect(duration(3599)).toBe("59 min 59 s");
    expect(duration(7260)).toBe("2 h 1 min");
    expect(duration(90000)).toBe("1 d 1 h");
  });
  test("a clock that runs behind the daemon's never shows the future", () => {
    expect(ago(1000, 990)).toBe("just now");
    expect(ago(1000, 1012)).toBe("12 s ago");
    expect(ago(1000, 1000 + 37 * 60 + 21)).toBe("37 min ago");
    expect(ago(1000, 1000 + 50 * 3600)).toBe("2 d ago");
  });
  test("a running job tells what is left, a finished one what it took, a queued one nothing", () => {
    expect(timing(job("running", { estimated_finish: 1090 }), 1030)).toBe("1 min 0 s left");
    expect(timing(job("succeeded", { started_at: 1010, finished_at: 1052 }), 9999)).toBe("took 42 s");
    expect(timing(job("queued"), 1030)).toBe("");
    expect(timing(job("cancelled", { finished_at: 1052 }), 9999)).toBe("");
  });
});

describe("jobs", () => {
  test("progress is unknown until the worker has counted its steps", () => {
    expect(progressShare(job("queued"))).toBeNull();
    expect(progressShare(job("running", { progress: { step: 0, total_steps: 0, tokens_per_second: 0 } }))).toBeNull();
    expect(progressShare(job("running", { progress: { step: 30, total_steps: 120, tokens_per_second: 9 } }))).toBe(0.25);
    expect(progressShare(job("succeeded"))).toBe(1);
  });
  test("only a job that ended since the last look is read out", () => {
    expect(announcement([], [job("succeeded")])).toBe("");
    expect(announcement([job("queued")], [job("running")])).toBe("");
    expect(announcement([job("running")], [job("succeeded")])).toBe("Job for topics succeeded.");
    expect(announcement([job("succeeded")], [job("succeeded")])).toBe("");
  });
});
