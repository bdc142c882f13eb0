// Importing a .env file: a preview, then batches of lines.

import { prepare, write } from "./batches.js";
import { parseDotenv } from "./dotenv.js";
import {
  asFailure, Dialog, Discard, count, Field, html, Problem, saves, useDiscard, useMemo, useRef, useState,
} from "./shared.js";

export function ImportDialog({ secret, items, onClose, done }) {
  const [text, setText] = useState("");
  const [keep, setKeep] = useState(false); // items that exist
  const [running, setRunning] = useState("");
  const [failure, setFailure] = useState(null);
  const [, redraw] = useState(0);
  const entries = useMemo(() => parseDotenv(text), [text]);
  // By entry: {text} if it was not imported, with refused if another try can't change that, or {} if it is done. It is
  // not a state: a copy for each line would make the work grow with the square of the lines.
  const results = useRef(new Map());
  // The items of the secret as the user has seen them, before this import adds to them.
  const known = useRef(new Map());
  const lost = useRef(null); // the batch whose answer was lost
  if (!running && results.current.size === 0) known.current = new Map(items.data.map((item) => [item.key, item]));
  const good = entries.filter((e) => !e.problem && !(keep && known.current.has(e.key)));
  const isDone = (entry) => results.current.has(entry) && !results.current.get(entry).text;
  const left = good.filter((e) => !isDone(e) && !results.current.get(e)?.refused);
  const failed = good.filter((e) => results.current.get(e)?.text).length;

  const one = async (batch) => {
    const end = (result) => batch.entries.forEach((entry) => results.current.set(entry, result));
    try {
      await write(secret, batch);
      lost.current = null;
      end({});
    } catch (error) {
      const wrong = asFailure(error);
      lost.current = wrong.kind === "broken" ? batch : null;
      end({ text: wrong.kind === "invalid" ? "The API refuses these lines. Try again." : wrong.message });
      throw wrong;
    }
    redraw((n) => n + 1);
  };
  // Nothing is written unless all of it would be written as the preview says. Then each batch is done, or nothing of
  // it.
  const run = async () => {
    if (lost.current) await one(lost.current);
    const open = left.filter((entry) => !isDone(entry));
    const { batches, problems, now } = await prepare(secret, open, known.current);
    for (const [entry, problem] of problems) {
      const isKept = keep && now.has(entry.key);
      results.current.set(entry, isKept ? { text: "Another client has created this item meanwhile." } : problem);
      if (now.has(entry.key)) known.current.set(entry.key, now.get(entry.key));
      else known.current.delete(entry.key);
    }
    if (problems.size > 0) return;
    setRunning("Importing …");
    for (const batch of batches) await one(batch);
  };
  const start = async (event) => {
    event.preventDefault();
    if (running || left.length === 0) return;
    setRunning("Checking …");
    setFailure(null);
    try {
      await run();
    } catch (error) {
      if (![...results.current.values()].some((result) => result.text)) setFailure(asFailure(error));
    }
    setRunning("");
    items.reload();
    done();
  };
  const change = (value) => {
    setText(value);
    results.current = new Map();
    lost.current = null;
  };

  const isOver = !running && results.current.size > 0;
  const finished = isOver && left.length === 0 && failed === 0;
  const discard = useDiscard(text !== "" && !finished, Boolean(running), onClose);
  const button = `${failed > 0 ? "Retry" : "Import"} ${count(left.length, "item")}`;
  const exists = entries.some((e) => !e.problem && known.current.has(e.key));
  const missed = good.filter((e) => !isDone(e));
  return html`<${Dialog} title="Paste a .env file" wide onClose=${running ? undefined : discard.close}>
    <form onSubmit=${start} onKeyDown=${saves}>
      <${Field} label="Contents of the file" name="env" lines="8" value=${text} onInput=${change}
        readOnly=${Boolean(running)} focus hint=${envHint} />
      ${(exists || keep) && html`<label class="check"><input type="checkbox" checked=${keep}
        disabled=${running || results.current.size > 0} onChange=${(event) => setKeep(event.target.checked)} />
        Keep the items that exist</label>`}
      ${entries.length > 0 && html`<${Preview} entries=${entries} known=${known.current} keep=${keep}
        results=${results.current} />`}
      ${(running || isOver) && html`<div class="progress">
        <progress max=${good.length} value=${good.length - missed.length} aria-label="Imported"></progress>
        <p role="status">${running === "Checking …" ? "Checking …"
          : `${good.length - missed.length} of ${good.length} done.`}
          ${isOver && missed.length > 0 && ` Not imported: ${listed(missed)}.`}</p>
      </div>`}
      <${Problem} failure=${failure} />
      ${discard.asking ? html`<${Discard} discard=${discard} onClose=${onClose} />` : html`<div class="buttons">
        <button type="button" onClick=${discard.close} disabled=${Boolean(running)}>${
          finished ? "Close" : "Cancel"}</button>
        ${!finished && html`<button type="submit" class="primary"
          disabled=${running || left.length === 0}>${running || button}</button>`}
      </div>`}
    </form>
  <//>`;
}

const envHint = "One KEY=value per line; comments and export are supported. A value of several lines needs quotes: " +
  "\", ' or `. Variables are not substituted: $ stays as it is. The items are imported in batches of 20, each as a " +
  "whole or not at all.";

const mostListed = 12;

// listed names the lines of entries: "lines 3–5, 9".
function listed(entries) {
  const spans = [];
  let before = null;
  for (const entry of entries) {
    if (before && entry.line === before.last + 1) spans.at(-1)[1] = entry.last;
    else spans.push([entry.line, entry.last]);
    before = entry;
  }
  const words = spans.map(([from, to]) => (from === to ? from : `${from}–${to}`));
  const some = words.slice(0, mostListed).join(", ") + (words.length > mostListed ? " …" : "");
  return `${words.length === 1 && spans[0][0] === spans[0][1] ? "line" : "lines"} ${some}`;
}

const linesOf = ({ line, last }) => (last > line ? `Lines ${line}–${last}` : `Line ${line}`);

// Preview shows the planned or the actual result of each entry. It contains no value. An entry is drawn again only
// when its result changes: the same object in the tree means that nothing has changed. What is skipped counts by
// lines.
function Preview({ entries, known, keep, results }) {
  const drawn = useRef(new Map()); // by entry: {result, plan, line}
  if (!drawn.current.has(entries[0])) drawn.current = new Map();
  const line = (entry) => {
    const result = results.get(entry);
    const plan = known.has(entry.key) ? (keep ? "Keep" : "Change") : "Add";
    const last = drawn.current.get(entry);
    if (last && last.result === result && (result || last.plan === plan)) return last.line;
    const now = html`<li key=${entry.line}>
      <span class="quiet">${linesOf(entry)}</span> <span class="key" translate=${false}>${entry.key}</span>${" "}
      <${Outcome} entry=${entry} plan=${plan} result=${result} />
    </li>`;
    drawn.current.set(entry, { result, plan, line: now });
    return now;
  };
  const adds = entries.filter((e) => !e.problem && !known.has(e.key)).length;
  const changes = entries.filter((e) => !e.problem && known.has(e.key)).length;
  const skips = entries.reduce((lines, e) => lines + (e.problem ? e.last - e.line + 1 : 0), 0);
  return html`<h3 class="preview">${adds} to add, ${changes} to ${keep ? "keep" : "change"}, ${
    count(skips, "line")} to skip</h3>
    <ol class="entries" tabindex="0" aria-label="What will be imported">${entries.map(line)}</ol>`;
}

function Outcome({ entry, plan, result }) {
  if (entry.problem) return html`<span class="skip">Skipped. ${entry.problem}</span>`;
  if (result?.text) return html`<span class="wrong">Not imported. ${result.text}</span>`;
  if (result) return html`<span class="good">${plan === "Add" ? "Added" : "Changed"}</span>`;
  const size = plan === "Keep" ? "" : ` (${count([...entry.value].length, "character")})`;
  return html`<span>${plan}${size}${entry.note && `. ${entry.note}`}</span>`;
}
