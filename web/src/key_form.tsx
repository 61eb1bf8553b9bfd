// Asks for an API key where the daemon requires one; it stays in this browser tab's session.
import { useState } from "preact/hooks";

export function KeyForm({ wrong, onKey }: { wrong: boolean; onKey: (key: string) => void }) {
  const [key, setKey] = useState("");
  return (
    <form
      class="card key"
      onSubmit={(event) => {
        event.preventDefault();
        if (key.trim()) onKey(key.trim());
      }}
    >
      <h2>This service asks for a key</h2>
      {wrong && <p class="problem" role="alert" id="key-problem">That key is not known here, or it was revoked.</p>}
      <label for="key">API key</label>
      <input
        id="key" type="password" autocomplete="off" spellcheck={false} required value={key}
        aria-invalid={wrong} aria-describedby={wrong ? "key-problem key-note" : "key-note"}
        onInput={(event) => setKey(event.currentTarget.value)}
      />
      <button type="submit">Use this key</button>
      <p class="quiet" id="key-note">
        It is kept until this tab closes. The operator makes keys with <code>graftd keys create CUSTOMER</code>.
      </p>
    </form>
  );
}
