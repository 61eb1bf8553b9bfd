// The jobs, newest first: what each one learns, how far it is, and how it ended.
import type { Job } from "./api";
import { ago, isActive, metricName, metricValue, progressShare, rate, statusWords, timing } from "./format";
import { versionOf } from "./versions";
import type { Shelf } from "./versions";

interface Props {
  jobs: Job[];
  shelves: ReadonlyMap<string, Shelf>;
  now: number;
}

// Roles are spelled out because narrow screens lay the rows out as cards, which drops the implied ones.
export function JobsTable({ jobs, shelves, now }: Props) {
  return (
    <table class="jobs" role="table" aria-labelledby="jobs">
      <thead role="rowgroup">
        <tr role="row">
          {["Task", "Status", "Progress", "Tokens/s", "Time", "Result"].map((name) => (
            <th key={name} scope="col" role="columnheader">{name}</th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {jobs.map((job) => <JobRow key={job.id} job={job} shelves={shelves} now={now} />)}
      </tbody>
    </table>
  );
}

function JobRow({ job, shelves, now }: { job: Job; shelves: Props["shelves"]; now: number }) {
  const version = versionOf(job, shelves);
  return (
    <tr role="row" data-job={job.id} data-status={job.status}>
      <th scope="row" role="rowheader">
        {job.task} {job.version !== null && <span class="quiet">version {job.version}</span>}
        <span class="quiet id"><code>{job.id}</code> on {job.model}</span>
      </th>
      <td role="cell" data-name="Status">
        <span class={`badge ${job.status}`}>{statusWords[job.status] ?? job.status}</span>
        {job.error?.message && <p class="problem">{job.error.message}</p>}
      </td>
      <td role="cell" data-name="Progress"><Progress job={job} /></td>
      <td role="cell" data-name="Tokens/s" class="number">{rate(job.progress?.tokens_per_second)}</td>
      <td role="cell" data-name="Time">
        {timing(job, now)}
        <span class="quiet line">
          submitted <time dateTime={new Date(job.created_at * 1000).toISOString()}>{ago(job.created_at, now)}</time>
        </span>
      </td>
      <td role="cell" data-name="Result" class="number">
        {version ? <span>{metricValue(version.primary_metric.name, version.primary_metric.value)} <span class="quiet">{metricName(version.primary_metric.name)}</span></span> : "–"}
        {version && <> <a class="download" href={version.download_url} download>Download<span class="unseen"> adapter of {job.task}</span></a></>}
      </td>
    </tr>
  );
}

function Progress({ job }: { job: Job }) {
  const share = progressShare(job);
  const name = `Progress of ${job.task}`;
  if (share === null) {
    if (!isActive(job.status)) return <>–</>;
    return job.status === "running" ? <progress aria-label={name} /> : <progress aria-label={name} max={1} value={0} />;
  }
  return (
    <>
      <progress aria-label={name} max={1} value={share} />
      {job.progress && job.progress.total_steps > 0 && (
        <span class="steps">{job.progress.step.toLocaleString("en")} / {job.progress.total_steps.toLocaleString("en")}</span>
      )}
    </>
  );
}
