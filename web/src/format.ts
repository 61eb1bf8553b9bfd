// Numbers and times as words for people. Pure functions; times are unix seconds.
import type { Job, Status } from "./api";

export const statusWords: Record<Status, string> = {
  validating_files: "checking files",
  queued: "queued",
  running: "running",
  paused: "paused",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
};

export function isActive(status: Status): boolean {
  return status === "validating_files" || status === "queued" || status === "running";
}

export function percent(share: number | null | undefined): string {
  return typeof share === "number" && Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : "–";
}

const usualWriting: Record<string, string> = { f1: "F1", roc: "ROC", auc: "AUC", matthews: "Matthews", pearson: "Pearson", spearman: "Spearman", mse: "MSE", mae: "MAE" };

/** "valid_macro_f1" is "macro F1". */
export function metricName(name: string): string {
  const words = name.replace(/^valid_/, "").split("_");
  return words.map((word) => usualWriting[word] ?? word).join(" ");
}

const plainNumbers = new Set(["valid_matthews", "valid_pearson", "valid_spearman", "valid_mse", "valid_mae", "valid_loss"]);

/** Shares as percent; correlations and errors as the numbers that they are. */
export function metricValue(name: string, value: unknown): string {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  return plainNumbers.has(name) ? value.toFixed(3) : percent(value);
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = count;
  let unit = -1;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

export function rate(tokensPerSecond: number | null | undefined): string {
  if (!tokensPerSecond || !Number.isFinite(tokensPerSecond)) return "–";
  return Math.round(tokensPerSecond).toLocaleString("en");
}

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** "12 s ago", "5 min ago"; the clocks of daemon and browser may differ by a little, so never the future. */
export function ago(time: number, now: number): string {
  const seconds = Math.round(now - time);
  if (seconds < 1) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** How much longer a job needs, or how long it took once it was started; nothing where nobody knows. */
export function timing(job: Job, now: number): string {
  if (job.finished_at !== null) return job.started_at === null ? "" : `took ${duration(job.finished_at - job.started_at)}`;
  if (job.status === "running" && job.estimated_finish !== null) {
    return `${duration(job.estimated_finish - now)} left`;
  }
  return "";
}

/** Share of the steps done, 0 to 1; null before the worker knows how many there are. */
export function progressShare(job: Job): number | null {
  if (job.status === "succeeded") return 1;
  const total = job.progress?.total_steps ?? 0;
  return total > 0 ? Math.min(1, (job.progress?.step ?? 0) / total) : null;
}

/** What to read out when a job's status changed between two looks; empty where nothing ended. */
export function announcement(before: readonly Job[], after: readonly Job[]): string {
  const known = new Map(before.map((job) => [job.id, job.status]));
  return after
    .filter((job) => {
      const was = known.get(job.id);
      return was !== undefined && was !== job.status && !isActive(job.status);
    })
    .map((job) => `Job for ${job.task} ${statusWords[job.status]}.`)
    .join(" ");
}
