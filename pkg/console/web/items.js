// The items of a secret.

import { call } from "./api.js";
import { Field, FormDialog, Problem, Time, useAction } from "./parts.js";
import { html, useState } from "./preact.js";
import { session } from "./session.js";
import { Shown, Spent, useReveal } from "./value.js";

export function ItemRow({ item, open, onItem }) {
  const { budget } = session.use();
  const reveal = useReveal(item, onItem);
  const throttled = reveal.failure?.kind === "throttled";
  const spent = budget?.left === 0 && budget.until > Date.now();
  return html`<li class="row item">
    <div class="grow">
      <h3 class="key">${item.key}</h3>
      <p class="quiet"><${LastReveal} item=${item} /> · changed <${Time} at=${item.updated_at} /></p>
    </div>
    ${reveal.value === undefined
      ? html`<div class="masked">
          <span class="mask" aria-label="Value is hidden" role="img">••••••••</span>
          <button onClick=${reveal.show} disabled=${reveal.busy || spent}
            aria-label=${`Show value of ${item.key}`}>${reveal.busy ? "Revealing …" : "Show"}</button>
        </div>`
      : html`<${Shown} item=${item} reveal=${reveal} />`}
    ${throttled ? html`<${Spent} reveal=${reveal} />` : html`<${Problem} failure=${reveal.failure} />`}
    <div class="buttons">
      <button onClick=${() => open({ kind: "edit", item, value: reveal.value })}
        aria-label=${`Edit value of ${item.key}`}>Edit</button>
      <button onClick=${() => open({ kind: "rename", item })}
        aria-label=${`Rename item ${item.key}`}>Rename</button>
      <button class="danger" onClick=${() => open({ kind: "delete", item })}
        aria-label=${`Delete item ${item.key}`}>Delete</button>
    </div>
  </li>`;
}

// LastReveal shows the user that revealed an item last. The API has ids of users, not names.
function LastReveal({ item }) {
  const { user } = session.use();
  if (!item.last_accessed_at) return html`<span>Last revealed: never</span>`;
  const by = item.last_accessed_by;
  const who = by === user ? html`<span title=${by}>you</span>` : html`<code title=${by}>…${by.slice(-6)}</code>`;
  return html`<span>Last revealed <${Time} at=${item.last_accessed_at} /> by ${who}</span>`;
}

export const itemPath = (item) => `secrets/${item.secret}/items/${item.id}/`;

export function AddItem({ secret, onClose, done }) {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const action = useAction();
  const act = async () => done(await call("POST", `secrets/${secret}/items/`, { key, value }));
  return html`<${FormDialog} title="Add item" submit="Add" action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Key" name="key"
      hint="Letters, digits, dots, underscores and hyphens, such as DATABASE_PASSWORD."
      value=${key} onInput=${setKey} failure=${action.failure} focus />
    <${ValueField} value=${value} onInput=${setValue} failure=${action.failure} />
  <//>`;
}

const valueHint = "Stored exactly as entered, with every space and line break. Up to 64 KiB.";
const ValueField = (props) => html`<${Field} label="Value" name="value" hint=${valueHint} lines="4" ...${props} />`;

// EditItem replaces an item's value. The field starts with the value that the page shows,
// if any.
export function EditItem({ item, value: shown = "", onClose, done }) {
  // A text area would replace carriage returns with line feeds.
  const fits = !shown.includes("\r");
  const [value, setValue] = useState(fits ? shown : "");
  const action = useAction();
  const act = async () => done(await call("PATCH", itemPath(item), { value }));
  return html`<${FormDialog} title="Edit value" submit="Save" action=${action} act=${act} onClose=${onClose}>
    <p>Enter a new value for <strong class="key">${item.key}</strong>. It replaces the current value permanently.</p>
    ${!fits && html`<p class="hint">The current value has carriage returns, which can’t be edited here.
      Enter the whole new value.</p>`}
    <${ValueField} value=${value} onInput=${setValue} failure=${action.failure} focus />
  <//>`;
}

export function RenameItem({ item, onClose, done }) {
  const [key, setKey] = useState(item.key);
  const action = useAction();
  const act = async () => done(await call("PATCH", itemPath(item), { key }));
  return html`<${FormDialog} title="Rename item" submit="Rename" action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Key" name="key" value=${key} onInput=${setKey} failure=${action.failure} focus />
  <//>`;
}

export function DeleteItem({ item, onClose, done }) {
  const action = useAction();
  const act = async () => {
    await call("DELETE", itemPath(item));
    done();
  };
  return html`<${FormDialog} title="Delete item" submit="Delete permanently" danger action=${action} act=${act}
    onClose=${onClose}>
    <p>This deletes <strong class="key">${item.key}</strong> and its value permanently.</p>
  <//>`;
}
