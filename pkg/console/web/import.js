// Importing a .env file: a preview, then one request per line.

import { call } from "./api.js";
import { parseDotenv } from "./dotenv.js";
import { itemPath } from "./items.js";
import { asFailure, Dialog, Field } from "./parts.js";
import { html, useMemo, useRef, useState } from "./preact.js";
import { count } from "./text.js";

export function ImportDialog({ secret, items, onItem, onClose, done }) {
  const [text, setText] = useState("");
  const [results, setResults] = useState(new Map()); // by entry: "" is done, else the error
  const [running, setRunning] = useState(false);
  const entries = useMemo(() => parseDotenv(text), [text]);
  // The items of the secret before this import adds to them.
  const known = useRef(new Map());
  if (results.size === 0) known.current = new Map(items.map((item) => [item.key, item]));
  const good = entries.filter((e) => !e.problem);
  const left = good.filter((e) => results.get(e) !== "");
  const tried = [...results.values()];
  const failed = tried.filter((result) => result !== "").length;

  const start = async (event) => {
    event.preventDefault();
    if (running || left.length === 0) return;
    setRunning(true);
    const outcome = new Map([...results].filter(([, result]) => result === ""));
    setResults(new Map(outcome));
    for (const entry of left) {
      try {
        onItem(await importEntry(secret, entry, known.current.get(entry.key)));
        outcome.set(entry, "");
      } catch (error) {
        const failure = asFailure(error);
        outcome.set(entry, wrong(failure));
        setResults(new Map(outcome));
        // The remaining entries would fail in the same way.
        if (failure.kind === "session" || failure.kind === "broken") break;
      }
      setResults(new Map(outcome));
    }
    setRunning(false);
    done();
  };
  const change = (value) => {
    setText(value);
    setResults(new Map());
  };

  const finished = !running && good.length > 0 && left.length === 0;
  const button = `${failed > 0 ? "Retry" : "Import"} ${count(left.length, "item")}`;
  return html`<${Dialog} title="Paste a .env file" wide onClose=${running ? undefined : onClose}>
    <form onSubmit=${start}>
      <${Field} label="Contents of the file" name="env" lines="8" value=${text} onInput=${change}
        readOnly=${running} focus hint=${envHint} />
      ${entries.length > 0 && html`<${Preview} entries=${entries} known=${known.current} results=${results} />`}
      ${(running || results.size > 0) && html`<div class="progress">
        <progress max=${good.length} value=${good.length - left.length} aria-label="Imported"></progress>
        <p role="status">${good.length - left.length} of ${good.length} done${failed ? `, ${failed} failed` : ""}.</p>
      </div>`}
      <div class="buttons">
        <button type="button" onClick=${onClose} disabled=${running}>${finished ? "Close" : "Cancel"}</button>
        ${!finished && html`<button type="submit" class="primary"
          disabled=${running || left.length === 0}>${running ? "Importing …" : button}</button>`}
      </div>
    </form>
  <//>`;
}

const envHint = "One KEY=value per line. Quotes, comments, export and quoted values of several lines are supported. " +
  "Variables are not substituted.";

const importEntry = (secret, { key, value }, item) =>
  item ? call("PATCH", itemPath(item), { value }) : call("POST", `secrets/${secret}/items/`, { key, value });

// wrong is the error text of a line.
const wrong = (failure) =>
  failure.kind === "invalid" ? Object.values(failure.fields).flat().join(" ") : failure.message;

// Preview shows the planned or the actual result of each entry. It contains no value.
function Preview({ entries, known, results }) {
  const adds = entries.filter((e) => !e.problem && !known.has(e.key)).length;
  const changes = entries.filter((e) => !e.problem && known.has(e.key)).length;
  return html`<h3 class="preview">${adds} to add, ${changes} to change, ${entries.length - adds - changes} to skip</h3>
    <ol class="entries" tabindex="0" aria-label="What will be imported">
      ${entries.map((entry) => html`<li key=${entry.line}>
        <span class="quiet">Line ${entry.line}</span> <span class="key">${entry.key}</span>${" "}
        <${Outcome} entry=${entry} isNew=${!known.has(entry.key)} result=${results.get(entry)} />
      </li>`)}
    </ol>`;
}

function Outcome({ entry, isNew, result }) {
  if (entry.problem) return html`<span class="skip">Skipped. ${entry.problem}</span>`;
  if (result === "") return html`<span class="good">${isNew ? "Added" : "Changed"}</span>`;
  if (result) return html`<span class="wrong">Failed. ${result}</span>`;
  return html`<span>${isNew ? "Add" : "Change"} (${count([...entry.value].length, "character")})</span>`;
}
