// Importing a .env file: a preview, then one request per line.

import { call, eachOf, Failure, find, madeBetween } from "./api.js";
import { parseDotenv } from "./dotenv.js";
import { itemPath } from "./items.js";
import { asFailure, Dialog, Discard, Field, saves, useDiscard } from "./parts.js";
import { html, useMemo, useRef, useState } from "./preact.js";
import { count } from "./text.js";

const redrawEvery = 250; // ms; the preview may have thousands of lines
const atOnce = 4; // requests; more writers of one secret would only wait for each other

export function ImportDialog({ secret, items, onItems, onClose, done }) {
  const [text, setText] = useState("");
  const [running, setRunning] = useState(false);
  const [, redraw] = useState(0);
  const entries = useMemo(() => parseDotenv(text), [text]);
  // By entry: {text} of its failure, {lost} too if that was its answer, or {} if it is done. It is not a state: a
  // copy and a drawing for each line would make the work grow with the square of the lines.
  const results = useRef(new Map());
  // The items of the secret before this import adds to them, and what it has found since.
  const known = useRef(new Map());
  if (!running && results.current.size === 0) known.current = new Map(items.data.map((item) => [item.key, item]));
  const good = entries.filter((e) => !e.problem);
  const isDone = (entry) => results.current.has(entry) && !results.current.get(entry).text;
  const left = good.filter((e) => !isDone(e));
  const failed = [...results.current.values()].filter((result) => result.text).length;

  const start = async (event) => {
    event.preventDefault();
    if (running || left.length === 0) return;
    setRunning(true);
    const changed = [];
    let drawn = Date.now();
    let lost = false;
    const set = async (entry) => {
      const from = Date.now();
      try {
        changed.push(await importEntry(secret, entry, known.current, results.current.get(entry)?.lost));
        results.current.set(entry, {});
      } catch (error) {
        const failure = asFailure(error);
        const unknown = failure.kind === "broken";
        results.current.set(entry, { text: wrong(failure), lost: unknown ? { from, to: Date.now() } : undefined });
        lost ||= unknown;
        // The remaining entries would fail in the same way.
        if (failure.kind === "session" || failure.kind === "broken") throw failure;
      }
      if (Date.now() - drawn > redrawEvery) {
        drawn = Date.now();
        redraw((n) => n + 1);
      }
    };
    await eachOf(left, atOnce, set).catch(() => {}); // the results have the failures
    onItems(...changed);
    if (lost) items.reload();
    setRunning(false);
    done();
  };
  const change = (value) => {
    setText(value);
    results.current = new Map();
  };

  const started = running || results.current.size > 0;
  const finished = !running && good.length > 0 && left.length === 0;
  const discard = useDiscard(text !== "" && !finished, running, onClose);
  const button = `${failed > 0 ? "Retry" : "Import"} ${count(left.length, "item")}`;
  return html`<${Dialog} title="Paste a .env file" wide onClose=${running ? undefined : discard.close}>
    <form onSubmit=${start} onKeyDown=${saves}>
      <${Field} label="Contents of the file" name="env" lines="8" value=${text} onInput=${change}
        readOnly=${running} focus hint=${envHint} />
      ${entries.length > 0 && html`<${Preview} entries=${entries} known=${known.current} results=${results.current} />`}
      ${started && html`<div class="progress">
        <progress max=${good.length} value=${good.length - left.length} aria-label="Imported"></progress>
        <p role="status">${good.length - left.length} of ${good.length} done${failed ? `, ${failed} failed` : ""}.</p>
      </div>`}
      ${discard.asking ? html`<${Discard} discard=${discard} onClose=${onClose} />` : html`<div class="buttons">
        <button type="button" onClick=${discard.close} disabled=${running}>${finished ? "Close" : "Cancel"}</button>
        ${!finished && html`<button type="submit" class="primary"
          disabled=${running || left.length === 0}>${running ? "Importing …" : button}</button>`}
      </div>`}
    </form>
  <//>`;
}

const envHint = "One KEY=value per line; comments and export are supported. A value of several lines needs quotes: " +
  "\", ' or `. Variables are not substituted: $ stays as it is.";

// importEntry creates an item, or changes its value. lost is the time of a try whose answer was lost. It does not
// replace what another client has created since the preview: that the user decides by another try.
async function importEntry(secret, { key, value }, known, lost) {
  const items = `secrets/${secret}/items/`;
  const meanwhile = (text) => new Failure("refused", text);
  const item = known.get(key);
  if (item) {
    try {
      return await call("PATCH", itemPath(item), { value });
    } catch (failure) {
      if (failure.kind !== "missing") throw failure;
      known.delete(key);
      throw meanwhile("Another client has deleted this item meanwhile. Another try adds it.");
    }
  }
  const made = lost && (await find(items, { key }, (found) => madeBetween(found, lost)));
  if (made) return call("PATCH", itemPath(made), { value });
  try {
    return await call("POST", items, { key, value });
  } catch (failure) {
    const found = failure.fields?.key && (await find(items, { key }, () => true));
    if (!found) throw failure;
    known.set(key, found);
    throw meanwhile("Another client has created this item meanwhile. Another try replaces its value.");
  }
}

// wrong is the error text of a line.
const wrong = (failure) =>
  failure.kind === "invalid" ? Object.values(failure.fields).flat().join(" ") : failure.message;

const linesOf = ({ line, last }) => (last > line ? `Lines ${line}–${last}` : `Line ${line}`);

// Preview shows the planned or the actual result of each entry. It contains no value. An entry is drawn again only
// when its result changes: the same object in the tree means that nothing has changed. What is skipped counts by
// lines.
function Preview({ entries, known, results }) {
  const drawn = useRef(new Map()); // by entry: {result, line}
  if (!drawn.current.has(entries[0])) drawn.current = new Map();
  const line = (entry) => {
    const result = results.get(entry);
    const last = drawn.current.get(entry);
    if (last && last.result === result) return last.line;
    const now = html`<li key=${entry.line}>
      <span class="quiet">${linesOf(entry)}</span> <span class="key" translate=${false}>${entry.key}</span>${" "}
      <${Outcome} entry=${entry} isNew=${!known.has(entry.key)} result=${result} />
    </li>`;
    drawn.current.set(entry, { result, line: now });
    return now;
  };
  const adds = entries.filter((e) => !e.problem && !known.has(e.key)).length;
  const changes = entries.filter((e) => !e.problem && known.has(e.key)).length;
  const skips = entries.reduce((lines, e) => lines + (e.problem ? e.last - e.line + 1 : 0), 0);
  return html`<h3 class="preview">${adds} to add, ${changes} to change, ${count(skips, "line")} to skip</h3>
    <ol class="entries" tabindex="0" aria-label="What will be imported">${entries.map(line)}</ol>`;
}

function Outcome({ entry, isNew, result }) {
  if (entry.problem) return html`<span class="skip">Skipped. ${entry.problem}</span>`;
  if (result?.text) return html`<span class="wrong">Failed. ${result.text}</span>`;
  if (result) return html`<span class="good">${isNew ? "Added" : "Changed"}</span>`;
  const plan = `${isNew ? "Add" : "Change"} (${count([...entry.value].length, "character")})`;
  return html`<span>${plan}${entry.note && `. ${entry.note}`}</span>`;
}
