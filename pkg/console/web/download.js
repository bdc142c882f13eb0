// A whole secret as a .env file.

import { formatDotenv } from "./dotenv.js";
import { call, count, Dialog, FormDialog, html, Marked, notify, saveFile, seen, useAction } from "./shared.js";

// DownloadDialog reads all values in one request, and saves them.
export function DownloadDialog({ secret, open, onClose, onRead }) {
  const action = useAction();
  const name = `${seen(secret.name).replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[.-]+/, "") || "secret"}.env`;
  const act = async () => {
    const values = await call("GET", `secrets/${secret.id}/bundle/`);
    const { text, doubtful } = formatDotenv(values);
    saveFile(name, "text/plain", [text]);
    notify(`${count(Object.keys(values).length, "item")} saved in ${name}`);
    onRead();
    return doubtful.length > 0 && (() => open({ kind: "doubts", name, doubtful }));
  };
  return html`<${FormDialog} title="Download as .env" submit="Download" action=${action} act=${act} onClose=${onClose}>
    <p>This saves all values of <strong class="name"><${Marked} text=${secret.name} /></strong> in clear text, in the
      file <bdi>${name}</bdi>.</p>
    <p class="hint">It is one reveal of your budget, and is logged with every item. Delete the file when you no longer
      need it.</p>
  <//>`;
}

// Doubts says which lines of a saved file parsers read differently.
export function Doubts({ name, doubtful, onClose }) {
  return html`<${Dialog} title="Check these lines" onClose=${onClose}><div class="stack">
    <p><bdi>${name}</bdi> is saved. Programs that read .env files differ about ${count(doubtful.length, "line")}:${" "}
      ${doubtful.map((key, i) => [i > 0 && ", ", html`<span class="key" translate=${false}>${key}</span>`])}.
      A comment before each of them says why.</p>
    <div class="buttons end"><button class="primary" onClick=${onClose}>Close</button></div>
  </div><//>`;
}
