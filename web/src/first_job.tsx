// What to type for the first job, shown while there is none.
import { hasKey } from "./api";

export function FirstJob({ backbone }: { backbone: string }) {
  const key = hasKey() ? ` -H "Authorization: Bearer $GRAFT_KEY"` : "";
  const origin = location.origin;
  const upload = `curl${key} -F purpose=fine-tune -F file=@train.jsonl ${origin}/v1/files`;
  const submit =
    `curl${key} -H "Content-Type: application/json" ${origin}/v1/fine_tuning/jobs \\\n` +
    `  -d '{"model": "${backbone || "NAME"}", "training_file": "file-…", "task": "my-task"}'`;
  return (
    <div class="card">
      <h3>No jobs yet</h3>
      <p>
        Upload labelled text, one row a line as <code>{`{"text": "…", "label": "…"}`}</code>, then submit a job with
        the id that the upload answers. This page shows it by itself.
      </p>
      <pre tabIndex={0} aria-label="Commands for a first job"><code>{upload + "\n\n" + submit}</code></pre>
    </div>
  );
}
