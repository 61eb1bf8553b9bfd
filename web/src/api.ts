// The only file that fetches: the daemon's answers as types, its refusals as ApiError.
// Members are those of docs/openapi.yaml that the page shows.

export type Status =
  | "validating_files" | "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled";

export interface Job {
  id: string;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  model: string;
  status: Status;
  task: string;
  version: number | null;
  progress: { step: number; total_steps: number; tokens_per_second: number } | null;
  held: { code: string; since: number } | null; // it waits because the machine cannot train
  estimated_finish: number | null;
  trained_tokens: number | null;
  error: { code: string | null; message: string | null; param: string | null } | null;
}

export interface Task {
  id: string;
  name: string;
  kind: string;
  created_at: number;
  versions: number;
  latest_version: number | null;
  aliases: Record<string, number>;
}

/** A number of a version by its name, such as valid_accuracy; null where it is undefined. */
export interface Metric {
  name: string;
  value: number | null;
}

export interface Version {
  id: string;
  version: number;
  model: string;
  job_id: string;
  backbone: string;
  created_at: number;
  task_kind: string;
  labels: string[];
  primary_metric: Metric;
  metrics: Record<string, number | string>;
  bytes: number;
  hidden: boolean;
  download_url: string;
  expires_at: number;
}

interface List<T> {
  data: T[];
  has_more: boolean;
}

interface Model {
  id: string;
  owned_by: string;
}

/** What the daemon refused; status 0 where it could not be reached at all. */
export class ApiError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

const keyName = "graft.key";
export const requestSeconds = 15;

export function rememberKey(key: string): void {
  if (key) sessionStorage.setItem(keyName, key);
  else sessionStorage.removeItem(keyName);
}

export function hasKey(): boolean {
  return sessionStorage.getItem(keyName) !== null;
}

async function get<T>(path: string): Promise<T> {
  const key = sessionStorage.getItem(keyName);
  const headers: Record<string, string> = { accept: "application/json" };
  if (key) headers["authorization"] = `Bearer ${key}`;
  let response: Response;
  try {
    response = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(requestSeconds * 1000) });
  } catch {
    throw new ApiError(0, "The daemon is not reachable.");
  }
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    const message = (body as { error?: { message?: string } } | null)?.error?.message;
    throw new ApiError(response.status, message ?? `The daemon answered ${response.status}.`);
  }
  if (body === null) throw new ApiError(response.status, "The daemon's answer is not JSON.");
  return body as T;
}

/** The newest jobs, and whether there are older ones. */
export function listJobs(limit: number): Promise<List<Job>> {
  return get(`/v1/fine_tuning/jobs?limit=${limit}`);
}

/** The first tasks, and whether there are more. */
export function listTasks(limit: number): Promise<List<Task>> {
  return get(`/v1/tasks?limit=${limit}`);
}

export async function listVersions(task: string): Promise<Version[]> {
  return (await get<List<Version>>(`/v1/tasks/${encodeURIComponent(task)}/versions?limit=100`)).data;
}

/** Names of the backbones that this daemon can train on. */
export async function listBackbones(): Promise<string[]> {
  const models = (await get<List<Model>>("/v1/models")).data;
  return models.filter((model) => model.owned_by === "graft").map((model) => model.id);
}
