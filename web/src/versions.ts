// Which tasks' versions must be fetched again: those that changed, and those whose links grow old.
import type { Task, Version } from "./api";

export interface Shelf {
  stamp: string; // what the task said of itself when its versions were fetched
  versions: Version[];
}

const linkReserveSeconds = 900; // a link on the page stays good for at least this long

export function stamp(task: Task): string {
  return `${task.id} ${task.versions} ${task.latest_version ?? ""}`;
}

/** Names of tasks whose shelf is missing or out of date. */
export function outdated(tasks: readonly Task[], shelves: ReadonlyMap<string, Shelf>, now: number): string[] {
  return tasks
    .filter((task) => {
      const shelf = shelves.get(task.name);
      if (!shelf || shelf.stamp !== stamp(task)) return true;
      return shelf.versions.some((version) => version.expires_at - now < linkReserveSeconds);
    })
    .map((task) => task.name);
}

/** The version that a job made, where the page knows it. */
export function versionOf(job: { task: string; version: number | null }, shelves: ReadonlyMap<string, Shelf>): Version | undefined {
  return shelves.get(job.task)?.versions.find((version) => version.version === job.version);
}
