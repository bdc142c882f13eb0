// Two secrets side by side: which keys both have, and which values differ. Chosen keys are copied to the other.

import { prepare, write } from "./batches.js";
import {
  all, asFailure, byName, call, count, eachOf, Failure, FormDialog, html, itemPath, Link, Marked, MayNot, notify,
  place, Problem, refine, refreshMe, session, useAction, useEffect, useList, useRef, useRights, useState, useTitle,
} from "./shared.js";

// An address may come from anyone, and the ids become parts of paths.
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const price = 2; // reveals
const atOnce = 4; // reveals

const named = (secret) => html`<strong class="name"><${Marked} text=${secret.name} /></strong>`;

export function CompareView() {
  const { query } = place.use();
  const { me, can } = useRights();
  const given = new URLSearchParams(query);
  const id = (side) => (uuid.test(given.get(side) ?? "") ? given.get(side) : "");
  useTitle("Compare");
  if (!me) return html`<main key="waiting"><h1 tabindex="-1">Compare</h1><p class="quiet">Loading …</p></main>`;
  const lacks = ["list", "reveal"].find((permission) => !can(permission));
  if (lacks) return html`<main key="hidden"><h1 tabindex="-1">Compare</h1><${MayNot} what=${lacks} /></main>`;
  return html`<${Choice} a=${id("a")} b=${id("b")} />`;
}

function Choice({ a, b }) {
  const { signIns } = session.use();
  const list = useList("secrets/");
  const secrets = [...list.data].sort(byName);
  const [first, second] = [a, b].map((id) => secrets.find((secret) => secret.id === id));
  const to = (change) => refine(`compare?${new URLSearchParams({ a, b, ...change })}`);
  const choose = (side, label, value, other) => html`<div class="field">
    <label for=${`secret-${side}`}>${label}</label>
    <select id=${`secret-${side}`} name=${side} value=${value} translate=${false}
      onChange=${(event) => to({ [side]: event.target.value })}>
      <option value="">${list.done ? "Choose a secret" : "Loading …"}</option>
      ${secrets.filter((secret) => secret.id !== other).map((secret) =>
        html`<option value=${secret.id}>${secret.name}</option>`)}
    </select>
  </div>`;
  return html`<main key="compare">
    <p>${first ? html`<${Link} to=${`secrets/${a}`}>← <${Marked} text=${first.name} /><//>`
      : html`<${Link} to="">← All secrets<//>`}</p>
    <h1 tabindex="-1">Compare two secrets</h1>
    <${Problem} failure=${list.failure} retry=${list.reload} />
    <div class="buttons">
      ${choose("a", "First", a, b)}
      ${choose("b", "Second", b, a)}
    </div>
    ${first && second && html`<${Comparison} key=${`${a} ${b} ${signIns}`} a=${first} b=${second} />`}
  </main>`;
}

// readItems returns a secret's items by key.
async function readItems(secret) {
  const items = new Map();
  await all(`secrets/${secret.id}/items/`, (rows) => rows.forEach((item) => items.set(item.key, item)));
  return items;
}

function Comparison({ a, b }) {
  const { can } = useRights();
  const { budget } = session.use();
  const action = useAction();
  const [found, setFound] = useState(null); // {keys, a, b}: the differences, and the items of both by key
  const [chosen, setChosen] = useState([]);
  const [only, setOnly] = useState(false); // what is not equal
  const [dialog, setDialog] = useState(null); // {from, to}
  const compare = () => action.run(async () => {
    // The items are as old as the comparison, or older: what changes later is noticed before it is overwritten.
    const [itemsOfA, itemsOfB] = await Promise.all([readItems(a), readItems(b)]);
    const { keys } = await call("GET", `secrets/compare/?${new URLSearchParams({ a: a.id, b: b.id })}`);
    setFound({ keys, a: itemsOfA, b: itemsOfB });
    setChosen([]);
  });
  const keys = Object.keys(found?.keys ?? {}).sort((x, y) => byName({ name: x }, { name: y }))
    .filter((key) => !only || found.keys[key] !== "same");
  const open = keys.filter((key) => found.keys[key] !== "same");
  const isChosen = (key) => chosen.includes(key);
  const toggle = (key) => ({ target }) =>
    setChosen((keys) => (target.checked ? [...keys, key] : keys.filter((other) => other !== key)));
  const copied = (done) => {
    setFound((f) => ({ ...f, keys: { ...f.keys, ...Object.fromEntries(done.map((key) => [key, "same"])) } }));
    setChosen((keys) => keys.filter((key) => !done.includes(key)));
  };
  const lack = budget && budget.left < price && budget.until > Date.now();
  return html`
    <div class="bar">
      <button class="primary" onClick=${compare} disabled=${action.busy || lack}>${
        action.busy ? "Comparing …" : found ? "Compare again" : "Compare"}</button>
      <p class="quiet grow">It shows no values. It counts as ${price} reveals, and is logged for both
        secrets.${lack && " Your budget is spent: try again later."}</p>
    </div>
    <${Problem} failure=${action.failure} />
    ${found && html`<section aria-labelledby="differences">
      <div class="bar">
        <h2 id="differences">Keys</h2>
        <label class="check"><input type="checkbox" checked=${only}
          onChange=${(event) => setOnly(event.target.checked)} /> Only differences</label>
        ${can("write") && [[a, b], [b, a]].map(([from, to]) => {
          const some = chosen.filter((key) => (from === a ? found.a : found.b).has(key));
          return html`<button disabled=${some.length === 0} onClick=${() => setDialog({ from, to, keys: some })}>
            Copy ${some.length || ""} to ${named(to)}</button>`;
        })}
      </div>
      ${keys.length === 0 ? html`<p class="empty">${Object.keys(found.keys).length === 0
        ? "Both secrets have no items." : "Both secrets have the same items with the same values."}</p>`
        : html`<table class="compare">
        <thead><tr>
          ${can("write") && html`<td><input type="checkbox" aria-label="Choose all that differ"
            disabled=${open.length === 0} checked=${open.length > 0 && open.every(isChosen)}
            onChange=${(event) => setChosen(event.target.checked ? open : [])} /></td>`}
          <th scope="col">Key</th><th scope="col">${named(a)}</th><th scope="col">${named(b)}</th>
        </tr></thead>
        <tbody>${keys.map((key) => html`<${Row} key=${key} name=${key} how=${found.keys[key]}
          checked=${isChosen(key)} toggle=${can("write") && toggle(key)} />`)}</tbody>
      </table>`}
      <p class="quiet" role="status">${summary(Object.values(found.keys))}</p>
    </section>`}
    ${dialog && html`<${CopyDialog} ...${dialog} source=${dialog.from === a ? found.a : found.b}
      target=${dialog.to === a ? found.a : found.b} copied=${copied} onClose=${() => setDialog(null)} />`}`;
}

const words = { same: "Same", different: "Different" };

function Row({ name, how, checked, toggle }) {
  const cell = (missing) => html`<td>${how === missing ? html`<span class="badge failed">Missing</span>`
    : html`<span class=${how === "different" ? "badge pending" : "quiet"}>${words[how] ?? "Only here"}</span>`}</td>`;
  return html`<tr data-key=${name}>
    ${toggle && html`<td>${how !== "same" && html`<input type="checkbox" checked=${checked} onChange=${toggle}
      aria-label=${`Choose ${name}`} />`}</td>`}
    <th scope="row" class="key" translate=${false}>${name}</th>
    ${cell("only_b")}${cell("only_a")}
  </tr>`;
}

function summary(all) {
  const of = (how) => all.filter((one) => one === how).length;
  return `${count(all.length, "key")}: ${of("same")} the same, ${of("different")} different, ${
    of("only_a")} only in the first, ${of("only_b")} only in the second.`;
}

const mostNamed = 10; // keys

// CopyDialog reads the values of keys in one secret, and writes them to the other. source and target are the items of
// both, by key, as the user has seen them.
function CopyDialog({ from, to, keys, source, target, copied, onClose }) {
  const { can } = useRights();
  const { budget } = session.use();
  const action = useAction();
  const [, redraw] = useState(0);
  const values = useRef(null); // entries, once they are read: another try needs no other reveal
  const lost = useRef(null); // the batch whose answer was lost
  const done = useRef([]); // keys
  useEffect(() => () => (values.current = null), []);
  const whole = can("export") && keys.length > 1;
  const reveals = whole ? 1 : keys.length;
  const replaced = keys.filter((key) => target.has(key));
  const one = async (batch) => {
    try {
      await write(to.id, batch);
    } catch (error) {
      lost.current = asFailure(error).kind === "broken" ? batch : null;
      throw error;
    }
    lost.current = null;
    done.current.push(...batch.entries.map((entry) => entry.key));
    copied(done.current);
    redraw((n) => n + 1);
  };
  const act = async () => {
    values.current ??= await (whole ? readWhole(from, keys) : readEach(source, keys));
    if (lost.current) await one(lost.current);
    const open = values.current.filter((entry) => !done.current.includes(entry.key));
    const { batches, problems } = await prepare(to.id, open, target);
    const [wrong] = problems;
    if (wrong) {
      const [{ key }, { what, text }] = wrong;
      throw new Failure("refused", `${key}: ${what ?? text} Close this, and compare again.`);
    }
    for (const batch of batches) await one(batch);
    notify(`${count(keys.length, "item")} copied`);
  };
  const lack = values.current === null && budget && budget.left < reveals && budget.until > Date.now();
  const submit = replaced.length > 0 ? `Copy, and replace ${replaced.length}` : "Copy";
  return html`<${FormDialog} title="Copy items" submit=${submit} danger=${replaced.length > 0} ready=${!lack}
    action=${action} act=${act} onClose=${onClose}>
    <p>This copies ${count(keys.length, "item")} from ${named(from)} to ${named(to)}.</p>
    ${replaced.length > 0 && html`<p>${count(replaced.length, "value")} of ${named(to)} ${
      replaced.length === 1 ? "is" : "are"} replaced:${" "}
      ${replaced.slice(0, mostNamed).map((key, i) => [i > 0 && ", ",
        html`<span class="key" translate=${false}>${key}</span>`])}${
      replaced.length > mostNamed && ` and ${replaced.length - mostNamed} more`}.
      The old values stay in the history.</p>`}
    <p class="hint">To read the values takes ${count(reveals, "reveal")} of your budget${
      budget && `, which has ${budget.left} left`}. It is logged.</p>
    ${lack && html`<p class="wrong" role="alert">Your budget is too small for this now. Choose fewer keys, or try again
      later.</p>`}
    ${done.current.length > 0 && html`<p role="status">${done.current.length} of ${
      count(keys.length, "item")} copied.</p>`}
  <//>`;
}

const gone = (key) => new Failure("refused", `${key} was deleted meanwhile. Close this, and compare again.`);

async function readWhole(secret, keys) {
  const values = await call("GET", `secrets/${secret.id}/bundle/`);
  return keys.map((key) => {
    if (!Object.hasOwn(values, key)) throw gone(key);
    return { key, value: values[key] };
  });
}

async function readEach(items, keys) {
  const read = new Map();
  await eachOf(keys, atOnce, async (key) => {
    const { key: now, value } = await call("GET", itemPath(items.get(key)));
    if (now !== key) throw gone(key);
    read.set(key, value);
  }).finally(refreshMe); // of answers that overtake each other, the last one has an older budget
  return keys.map((key) => ({ key, value: read.get(key) }));
}
