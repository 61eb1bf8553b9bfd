// The tasks with every version they ever had, and what each version can be fetched by.
import type { Task, Version } from "./api";
import { ago, bytes, metricName, metricValue } from "./format";
import type { Shelf } from "./versions";

interface Props {
  tasks: Task[];
  shelves: ReadonlyMap<string, Shelf>;
  now: number;
}

export function TaskList({ tasks, shelves, now }: Props) {
  if (tasks.length === 0) return <p class="quiet">None yet. A task appears here with its first job.</p>;
  return (
    <>
      {tasks.map((task) => (
        <TaskCard key={task.id} task={task} versions={shelves.get(task.name)?.versions ?? []} now={now} />
      ))}
    </>
  );
}

function TaskCard({ task, versions, now }: { task: Task; versions: Version[]; now: number }) {
  const shown = versions.filter((version) => !version.hidden).sort((a, b) => b.version - a.version);
  const heading = `task-${task.id}`;
  const aliases = Object.entries(task.aliases);
  return (
    <article class="card" aria-labelledby={heading} data-task={task.name}>
      <h3 id={heading}>{task.name} <span class="quiet">{task.kind.replaceAll("_", " ")}</span></h3>
      {aliases.length > 0 && (
        <ul class="aliases" aria-label={`Aliases of ${task.name}`}>
          {aliases.map(([name, version]) => <li key={name}>{name} → version {version}</li>)}
        </ul>
      )}
      {shown.length === 0 ? (
        <p class="quiet">{task.versions ? "All versions are hidden." : "No version yet; its first job has not succeeded."}</p>
      ) : (
        <VersionTable task={task} versions={shown} heading={heading} now={now} />
      )}
    </article>
  );
}

function Measured({ name, value }: { name: string; value: unknown }) {
  return <span class="line">{metricValue(name, value)} <span class="quiet">{metricName(name)}</span></span>;
}

// The first two that the kind of task has beside its primary metric.
function otherMetrics(version: Version): string[] {
  const others = Object.keys(version.metrics).filter((name) => name.startsWith("valid_") && name !== "valid_loss" && name !== version.primary_metric.name);
  return others.slice(0, 2);
}

function VersionTable({ task, versions, heading, now }: { task: Task; versions: Version[]; heading: string; now: number }) {
  return (
    <table role="table" aria-labelledby={heading}>
      <thead role="rowgroup">
        <tr role="row">
          {["Version", "Result", "Beside it", "Labels", "Size", "Learned", "Adapter"].map((name) => (
            <th key={name} scope="col" role="columnheader">{name}</th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {versions.map((version) => (
          <tr role="row" key={version.id} data-version={version.version}>
            <th scope="row" role="rowheader"><span class="narrow">Version </span>{version.version}</th>
            <td role="cell" data-name="Result" class="number"><Measured name={version.primary_metric.name} value={version.primary_metric.value} /></td>
            <td role="cell" data-name="Beside it" class="number">
              {otherMetrics(version).map((name) => <Measured key={name} name={name} value={version.metrics[name]} />)}
            </td>
            <td role="cell" data-name="Labels"><Labels labels={version.labels} /></td>
            <td role="cell" data-name="Size" class="number">{bytes(version.bytes)}</td>
            <td role="cell" data-name="Learned">
              <time dateTime={new Date(version.created_at * 1000).toISOString()}>{ago(version.created_at, now)}</time>
            </td>
            <td role="cell" data-name="Adapter">
              <a class="download" href={version.download_url} download>
                Download<span class="unseen"> version {version.version} of {task.name}</span>
              </a>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const fewLabels = 4;

function Labels({ labels }: { labels: string[] }) {
  if (labels.length <= fewLabels) return <>{labels.join(", ")}</>;
  return (
    <details>
      <summary>{labels.length} labels</summary>
      {labels.join(", ")}
    </details>
  );
}
