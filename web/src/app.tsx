// The whole page: keeps what the daemon last said, looks again by itself, and shows what hinders it.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, hasKey, listBackbones, listJobs, listTasks, listVersions, rememberKey } from "./api";
import type { Job, Task } from "./api";
import { announcement, duration, isActive } from "./format";
import { FirstJob } from "./first_job";
import { JobsTable } from "./jobs_table";
import { KeyForm } from "./key_form";
import { Poller } from "./poll";
import { TaskList } from "./task_list";
import { outdated, stamp } from "./versions";
import type { Shelf } from "./versions";

interface Seen {
  jobs: Job[];
  olderJobs: boolean;
  tasks: Task[];
  moreTasks: boolean;
  shelves: ReadonlyMap<string, Shelf>;
  backbone: string;
  at: number; // unix seconds of this look
}

type Trouble = { kind: "unreachable" } | { kind: "key"; wrong: boolean } | { kind: "refused"; message: string } | null;

const jobsAtATime = 50;
const tasksAtATime = 100;
const nowSeconds = () => Date.now() / 1000;

/** One look at the daemon; only what changed of the versions is fetched again. */
async function look(before: Seen | null, jobLimit: number): Promise<Seen> {
  const [jobs, tasks] = await Promise.all([listJobs(jobLimit), listTasks(tasksAtATime)]);
  const names = new Set(tasks.data.map((task) => task.name));
  const shelves = new Map([...(before?.shelves ?? [])].filter(([name]) => names.has(name)));
  for (const name of outdated(tasks.data, shelves, nowSeconds())) {
    const task = tasks.data.find((candidate) => candidate.name === name)!;
    shelves.set(name, { stamp: stamp(task), versions: task.versions ? await listVersions(name) : [] });
  }
  const backbone = before?.backbone || ((await listBackbones())[0] ?? "");
  return {
    jobs: jobs.data, olderJobs: jobs.has_more, tasks: tasks.data, moreTasks: tasks.has_more,
    shelves, backbone, at: nowSeconds(),
  };
}

function troubleOf(error: unknown): Trouble {
  if (!(error instanceof ApiError)) return { kind: "refused", message: String(error) };
  if (error.status === 0) return { kind: "unreachable" };
  if (error.status === 401) return { kind: "key", wrong: hasKey() };
  return { kind: "refused", message: error.message };
}

export function App() {
  const [seen, setSeen] = useState<Seen | null>(null);
  const [trouble, setTrouble] = useState<Trouble>(null);
  const [spoken, setSpoken] = useState("");
  const [jobLimit, setJobLimit] = useState(jobsAtATime);
  const last = useRef<Seen | null>(null);
  const poller = useRef<Poller | null>(null);

  useEffect(() => {
    const pace = new Poller(
      async () => {
        try {
          const fresh = await look(last.current, jobLimit);
          const words = announcement(last.current?.jobs ?? [], fresh.jobs);
          if (words) setSpoken(words);
          last.current = fresh;
          setSeen(fresh);
          setTrouble(null);
          return fresh.jobs.some((job) => isActive(job.status));
        } catch (error) {
          setTrouble(troubleOf(error));
          throw error;
        }
      },
      () => document.visibilityState === "visible",
    );
    const wake = () => {
      if (document.visibilityState === "visible") void pace.wake();
    };
    poller.current = pace;
    void pace.wake();
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("online", wake);
    return () => {
      pace.stop();
      document.removeEventListener("visibilitychange", wake);
      window.removeEventListener("online", wake);
    };
  }, [jobLimit]);

  const useKey = (key: string) => {
    rememberKey(key);
    last.current = null;
    setSeen(null);
    setTrouble(null);
    void poller.current?.wake();
  };

  const held = seen?.jobs.find((job) => job.held)?.held;
  return (
    <>
      <Header seen={seen} trouble={trouble} onForget={() => useKey("")} />
      <main aria-busy={seen === null && trouble === null}>
        <p class="unseen" role="status">{spoken}</p>
        {trouble?.kind === "unreachable" && (
          <p class="trouble" role="alert">
            The daemon is not reachable. {seen ? "What you see may be out of date. " : ""}Trying again by itself.
          </p>
        )}
        {held && trouble === null && (
          <p class="trouble" role="alert">
            Training has been held up for {duration(seen!.at - held.since)}: this machine cannot train ({held.code}). Jobs
            wait, nothing is lost, and it tries again by itself; the log of the daemon says why.
          </p>
        )}
        {trouble?.kind === "refused" && <p class="trouble" role="alert">{trouble.message}</p>}
        {trouble?.kind === "key" && <KeyForm wrong={trouble.wrong} onKey={useKey} />}
        {seen && trouble?.kind !== "key" && (
          <Content seen={seen} onOlder={() => setJobLimit((limit) => Math.min(100, limit + jobsAtATime))} limit={jobLimit} />
        )}
      </main>
    </>
  );
}

function Content({ seen, onOlder, limit }: { seen: Seen; onOlder: () => void; limit: number }) {
  if (seen.jobs.length === 0 && seen.tasks.length === 0) return <FirstJob backbone={seen.backbone} />;
  return (
    <>
      <section aria-labelledby="jobs">
        <h2 id="jobs">Jobs</h2>
        {seen.jobs.length === 0 ? (
          <FirstJob backbone={seen.backbone} />
        ) : (
          <JobsTable jobs={seen.jobs} shelves={seen.shelves} now={seen.at} />
        )}
        {seen.olderJobs && limit < 100 && <button type="button" onClick={onOlder}>Show older jobs</button>}
        {seen.olderJobs && limit >= 100 && <p class="quiet">The newest {limit} jobs; the API lists all.</p>}
      </section>
      <section aria-labelledby="tasks">
        <h2 id="tasks">Tasks</h2>
        <TaskList tasks={seen.tasks} shelves={seen.shelves} now={seen.at} />
        {seen.moreTasks && <p class="quiet">The first {tasksAtATime} tasks; the API lists all.</p>}
      </section>
    </>
  );
}

function Header({ seen, trouble, onForget }: { seen: Seen | null; trouble: Trouble; onForget: () => void }) {
  const count = (wanted: (job: Job) => boolean) => seen?.jobs.filter(wanted).length ?? 0;
  const running = count((job) => job.status === "running");
  const waiting = count((job) => job.status === "queued" || job.status === "validating_files");
  let state = "connecting";
  if (trouble) state = trouble.kind === "key" ? "key needed" : trouble.kind === "unreachable" ? "not reachable" : "refused";
  else if (seen) state = `${running} running, ${waiting} waiting`;
  return (
    <header>
      <h1><img src="/icon.svg" alt="" width="28" height="28" /> Graft</h1>
      <p class={`state ${trouble ? "bad" : seen ? "good" : ""}`}>{state}</p>
      <nav aria-label="Service">
        <a href="/openapi.json">API</a>
        {hasKey() && <button type="button" class="link" onClick={onForget}>Forget key</button>}
      </nav>
    </header>
  );
}
