// The items of a secret.

import { WhoRead } from "./activity.js";
import { call, find } from "./api.js";
import { Name } from "./names.js";
import { Field, FormDialog, Menu, Time, useAction } from "./parts.js";
import { html, useEffect, useRef, useState } from "./preact.js";
import { useRights } from "./rights.js";
import { Fate, remove } from "./secrets.js";
import { bytes, count } from "./text.js";
import { Oddities, Revealed, RevealButtons, useReveal, useShown } from "./value.js";

export function ItemRow({ item, open, onItem }) {
  const { can } = useRights();
  const reveal = useReveal(item, onItem);
  return html`<li class="row item" data-item=${item.id}>
    <div class="grow">
      <h3 class="key" translate=${false}>${item.key}</h3>
      <p class="quiet"><${LastReveal} item=${item} /> · changed <${Time}
        at=${item.updated_at} /><${WhoRead} item=${item} /></p>
    </div>
    <${RevealButtons} item=${item} reveal=${reveal} />
    <${Menu} label=${`More actions for ${item.key}`}>
      ${can("write") && html`<button onClick=${() => open({ kind: "edit", item })}
        aria-label=${`Edit value of ${item.key}`}>Edit value</button>`}
      <button onClick=${() => open({ kind: "history", item })} aria-label=${`History of ${item.key}`}>History</button>
      ${can("write") && html`
        <button onClick=${() => open({ kind: "rename", item })} aria-label=${`Rename item ${item.key}`}>Rename</button>
        <button class="danger" onClick=${() => open({ kind: "delete", item })}
          aria-label=${`Delete item ${item.key}`}>Delete</button>`}
    <//>
    <${Revealed} item=${item} reveal=${reveal} />
  </li>`;
}

// LastReveal shows the user that revealed an item last.
function LastReveal({ item }) {
  if (!item.last_accessed_at) return html`<span>Last revealed: never</span>`;
  return html`<span>Last revealed <${Time} at=${item.last_accessed_at} /> by <${Name} id=${item.last_accessed_by} />
  </span>`;
}

export const itemPath = (item) => `secrets/${item.secret}/items/${item.id}/`;

export function AddItem({ secret, onClose, done, onLost }) {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const action = useAction(onLost);
  const items = `secrets/${secret}/items/`;
  const act = async (mine) => {
    const made = await find(items, { key }, mine);
    done(made ? await call("PATCH", itemPath(made), { value }, { tag: made.etag })
      : await call("POST", items, { key, value }));
  };
  return html`<${FormDialog} title="Add item" submit="Add" dirty=${key + value !== ""} action=${action} act=${act}
    what=${JSON.stringify([key, value])} onClose=${onClose}>
    <${Field} label="Key" name="key"
      hint="Letters, digits, dots, underscores and hyphens, such as DATABASE_PASSWORD."
      value=${key} onInput=${setKey} failure=${action.failure} focus />
    <${ValueField} value=${value} onInput=${setValue} failure=${action.failure} />
  <//>`;
}

const valueHint = "Stored exactly as entered, with every space and line break. Up to 64 KiB.";
const letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"; // none that look alike
const generatedLength = 32; // 187 bits

// generate returns a random value. Numbers that would favour some letters are skipped.
function generate() {
  let value = "";
  while (value.length < generatedLength) {
    const [n] = crypto.getRandomValues(new Uint8Array(1));
    if (n < Math.floor(256 / letters.length) * letters.length) value += letters[n % letters.length];
  }
  return value;
}

// ValueField is a field for a value, which can also be generated or taken from a file.
function ValueField({ value, onInput, ...more }) {
  const [file, setFile] = useState(null); // the name of a file whose text a field can't hold
  const [problem, setProblem] = useState("");
  const input = useRef(null);
  const enter = (text, from = null) => {
    setProblem("");
    setFile(from);
    onInput(text);
  };
  const take = async (event) => {
    const [chosen] = event.target.files;
    event.target.value = "";
    if (!chosen) return;
    if (chosen.size > 65536) return setProblem(`${chosen.name} is larger than 64 KiB. Nothing was taken.`);
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await chosen.arrayBuffer());
      return enter(text, text.includes("\r") ? chosen.name : null);
    } catch {
      return setProblem(`${chosen.name} is not text in UTF-8. Nothing was taken.`);
    }
  };
  const tools = html`<div class="buttons">
    <button type="button" onClick=${() => enter(generate())}>Generate</button>
    <button type="button" onClick=${() => input.current.click()}>From a file …</button>
    <input type="file" hidden ref=${input} onChange=${take} aria-label="File with the value" />
    ${file && html`<button type="button" onClick=${() => enter("")}>Type it instead</button>`}
  </div>
  ${problem && html`<p class="wrong" role="alert">${problem}</p>`}`;
  if (file) { // a text area would replace carriage returns with line feeds
    return html`<div class="field"><p><strong>Value</strong>: the text of ${file}, ${count(bytes(value), "byte")}</p>
      <${Oddities} value=${value} />
      ${more.failure?.fields.value && html`<p class="wrong" role="alert">${more.failure.fields.value.join(" ")}</p>`}
      ${tools}</div>`;
  }
  return html`<${Field} label="Value" name="value" hint=${valueHint} lines="4" value=${value}
    onInput=${(text) => enter(text)} ...${more}><${Oddities} value=${value} />${tools}<//>`;
}

// EditItem replaces an item's value. The field starts with the value that the page shows, if any, and forgets
// it with the page, unless it was changed.
export function EditItem({ item, onClose, done, onLost, take }) {
  const shown = useShown(item)?.value;
  const first = useRef(shown);
  // A text area would replace carriage returns with line feeds.
  const fits = !first.current?.includes("\r");
  const [value, setValue] = useState(fits ? first.current ?? "" : "");
  const [hidden, setHidden] = useState(false);
  useEffect(() => {
    if (shown !== undefined || first.current === undefined) return;
    if (value === first.current) {
      setValue("");
      setHidden(true);
    }
    first.current = undefined;
  }, [shown]);
  const action = useAction(onLost);
  const act = async (_, tag, before) => done(await call("PATCH", itemPath(item), { value }, { tag }), before);
  return html`<${FormDialog} title="Edit value" submit="Save" action=${action} act=${act} onClose=${onClose}
    guard=${{ kind: "item", shown: item, take }} what=${value} dirty=${value !== "" && value !== first.current}>
    <p>Enter a new value for <strong class="key" translate=${false}>${item.key}</strong>. It replaces the current value,
      which stays in the history.</p>
    ${!fits && html`<p class="hint">The current value has carriage returns, which can’t be edited here.
      Enter the whole new value.</p>`}
    ${hidden && html`<p class="hint" role="status">The current value is hidden again. Enter the whole new value, or
      close this and show it first.</p>`}
    <${ValueField} value=${value} onInput=${setValue} failure=${action.failure} focus />
  <//>`;
}

export function RenameItem({ item, onClose, done, onLost, take }) {
  const [key, setKey] = useState(item.key);
  const action = useAction(onLost);
  const act = async (_, tag, before) => done(await call("PATCH", itemPath(item), { key }, { tag }), before);
  return html`<${FormDialog} title="Rename item" submit="Rename" dirty=${key !== item.key} action=${action} act=${act}
    guard=${{ kind: "item", shown: item, take }} what=${key} onClose=${onClose}>
    <${Field} label="Key" name="key" value=${key} onInput=${setKey} failure=${action.failure} focus />
  <//>`;
}

export function DeleteItem({ item, onClose, done, onLost, take }) {
  const action = useAction(onLost);
  const act = async (mine, tag) => {
    await remove(itemPath(item), mine, tag);
    done();
  };
  return html`<${FormDialog} title="Delete item" submit="Delete" danger action=${action} act=${act}
    guard=${{ kind: "item", shown: item, take }} onClose=${onClose}>
    <p>This deletes <strong class="key" translate=${false}>${item.key}</strong> with all versions of its value.${" "}
      <${Fate} /></p>
  <//>`;
}
