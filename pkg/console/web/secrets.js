// The list of secrets, and the dialogs of a secret as a whole.

import { call, find } from "./api.js";
import { readKeys } from "./keys.js";
import {
  drop, Field, FormDialog, Link, Marked, Menu, merge, Problem, put, Search, Status, Time, useAction, useList,
  useRows, useStatus, useTitle,
} from "./parts.js";
import { navigate } from "./place.js";
import { html, useState } from "./preact.js";
import { useRights } from "./rights.js";
import { notify, session } from "./session.js";
import { byName, count, loadingMore, matches, seen } from "./text.js";
import { undo } from "./undo.js";

const orders = {
  name: ["by name", byName],
  newest: ["newest first", (a, b) => (a.id < b.id ? 1 : -1)], // ids are in the order of creation
  oldest: ["oldest first", (a, b) => (a.id < b.id ? -1 : 1)],
};

export function SecretsView() {
  const { search, order, keys } = session.use();
  const { can, names } = useRights();
  const list = useList(can("list") ? "secrets/" : null);
  const [dialog, setDialog] = useState(null); // {kind, secret}
  useTitle("Secrets");
  useStatus(list.data, (id, fields) => list.change(merge(id, fields)));
  const searching = seen(search) !== "";
  // The keys of all secrets are known, but for those that were created since.
  const complete = Boolean(keys?.at);
  const inside = (secret) => (searching && keys?.found.get(secret.id)?.filter((key) => matches(key, search))) || [];
  const found = list.data
    .map((secret) => ({ secret, inside: inside(secret) }))
    .filter((row) => row.inside.length > 0 || matches(row.secret.name, search))
    .sort((a, b) => orders[order][1](a.secret, b.secret));
  const rows = useRows(found, (row) => html`<${SecretRow} key=${row.secret.id} ...${row} open=${setDialog} />`);
  const close = () => setDialog(null);
  const common = { onLost: list.reload, take: (fresh) => list.change(put(fresh)), at: list.at };
  const renamed = (secret, before) => {
    list.change(put(secret));
    notify("Secret renamed", undo.secret(secret, before));
  };
  const created = (secret) => {
    list.change(put(secret));
    notify("Secret created");
    navigate(`secrets/${secret.id}`);
  };
  if (!can("list")) return html`<main key="hidden"><h1 tabindex="-1">Secrets</h1><${MayNot} what="list" /></main>`;
  return html`<main key="list">
    <div class="bar">
      <h1 tabindex="-1">Secrets</h1>
      <${Search} label="Search secrets by name" value=${search} onInput=${(text) => session.set({ search: text })}
        onEnter=${() => found.length && navigate(`secrets/${found[0].secret.id}`)} />
      <label class="order">Sort <select value=${order} onChange=${(e) => session.set({ order: e.target.value })}>
        ${Object.entries(orders).map(([name, [label]]) => html`<option value=${name}>${label}</option>`)}
      </select></label>
      ${can("write") && html`<${Link} to="bin" title="Deleted secrets">Bin<//>`}
      ${names && html`<button class="primary" onClick=${() => setDialog({ kind: "create" })}>New secret</button>`}
    </div>
    ${searching && list.done && html`<${KeySearch} secrets=${list.data} keys=${keys} />`}
    <${Problem} failure=${list.failure} retry=${list.reload} />
    ${!list.done && !list.failure && list.data.length === 0 && html`<p class="quiet">Loading …</p>`}
    ${list.done && list.data.length === 0 && html`<p class="empty">${names
      ? "There are no secrets yet. Create one with “New secret”: it is a named group of keys and values."
      : "There are no secrets that your key may see."}</p>`}
    ${list.data.length > 0 && found.length === 0 && html`<p class="empty">
      No name ${complete ? "and no key " : ""}contains “<bdi>${search.trim()}</bdi>”.
      Press Esc in the search to see all secrets.</p>`}
    ${found.length > 0 && html`<ul class="rows" aria-label="Secrets">
      ${rows}
    </ul>`}
    ${list.data.length > 0 && html`<p class="quiet">${searching ? `${found.length} of ` : ""}${
      count(list.data.length, "secret")}${list.done ? "" : loadingMore}</p>`}
    ${dialog?.kind === "create" && html`<${NameDialog} onClose=${close} done=${created} onLost=${list.reload} />`}
    ${dialog?.kind === "rename" &&
      html`<${NameDialog} secret=${dialog.secret} onClose=${close} done=${renamed} ...${common} />`}
    ${dialog?.kind === "delete" && html`<${DeleteSecret} secret=${dialog.secret} onClose=${close}
      done=${() => list.change(drop(dialog.secret.id))} ...${common} />`}
  </main>`;
}

// KeySearch reads the keys of all secrets on request, and keeps them until the user signs out.
function KeySearch({ secrets, keys }) {
  const action = useAction();
  const read = () => action.run(() => readKeys(secrets));
  return html`<p class="quiet keysearch" role="status">
    ${action.busy ? `Reading keys: ${keys?.found.size ?? 0} of ${count(secrets.length, "secret")} …`
      : html`<button onClick=${read}>${keys ? "Read the keys again" : "Search keys, too"}</button>
        ${keys?.at ? ` Keys of ${count(keys.found.size, "secret")}, as of ${keys.at}`
          : keys && ` Keys of ${keys.found.size} of ${count(secrets.length, "secret")} only`}`}
  </p>
  <${Problem} failure=${action.failure} retry=${read} />`;
}

const shownKeys = 5;

function SecretRow({ secret, inside, open }) {
  return html`<li class="row">
    <div class="grow">
      <${Link} to=${`secrets/${secret.id}`} class="name" aria-label=${secret.name}><${Marked} text=${secret.name} /><//>
      <p class="quiet">Created <${Time} at=${secret.created_at} /></p>
      ${inside.length > 0 && html`<p class="key" translate=${false}>${inside.slice(0, shownKeys).join(", ")}${
        inside.length > shownKeys ? ` and ${inside.length - shownKeys} more` : ""}</p>`}
    </div>
    <div class="badges"><${SecretBadges} secret=${secret} /></div>
    <${SecretButtons} secret=${secret} open=${open} menu />
  </li>`;
}

const defaultHint = "Services that name no secret use this one. It can't be deleted.";
export const SecretBadges = ({ secret }) => html`
  ${secret.is_default && html`<span class="badge" title=${defaultHint}>Default</span>`}
  <${Status} secret=${secret} />`;

// SecretButtons open the dialogs of a secret, from a menu or in a row. Their labels name it for screen readers.
export function SecretButtons({ secret, open, menu }) {
  const { can, names } = useRights();
  const mayDelete = can("write") && !secret.is_default;
  if (!names && !mayDelete) return null;
  const buttons = html`
    ${names && html`<button onClick=${() => open({ kind: "rename", secret })}
      aria-label=${`Rename secret ${secret.name}`}>Rename</button>`}
    ${mayDelete && html`<button class="danger" onClick=${() => open({ kind: "delete", secret })}
      aria-label=${`Delete secret ${secret.name}`}>Delete</button>`}`;
  return menu ? html`<${Menu} label=${`More actions for ${secret.name}`}>${buttons}<//>`
    : html`<div class="buttons">${buttons}</div>`;
}

const needs = {
  list: "see secrets", reveal: "reveal values", write: "change secrets", admin: "manage people and machines",
  audit: "read the log",
};

// MayNot says which permission the signed-in key lacks for a page.
export const MayNot = ({ what }) => html`<p class="empty">Your key may not ${needs[what]}.
  Ask your administrator for the permission “${what}”.</p>`;

// NameDialog creates or renames a secret. at is when the page asked for it: see useLoad.
export function NameDialog({ secret, onClose, done, onLost, take, at }) {
  const [name, setName] = useState(secret?.name ?? "");
  const action = useAction(onLost);
  const act = async (mine, tag, before) => {
    if (secret) return done(await call("PATCH", `secrets/${secret.id}/`, { name }, { tag }), before);
    return done((await find("secrets/", { name }, mine)) ?? (await call("POST", "secrets/", { name })));
  };
  return html`<${FormDialog} title=${secret ? "Rename secret" : "New secret"} submit=${secret ? "Rename" : "Create"}
    dirty=${name !== (secret?.name ?? "")} what=${name} action=${action} act=${act}
    guard=${secret && { kind: "secret", shown: secret, take, at }} onClose=${onClose}>
    <${Field} label="Name" name="name" hint="Up to 255 characters. No other secret may have this name." value=${name}
      onInput=${setName} failure=${action.failure} focus />
  <//>`;
}

// Fate says what becomes of a deleted object.
export function Fate() {
  const { recovery } = useRights();
  return recovery === 0 ? "You can’t undo this."
    : `It goes into the bin, where it can be restored for ${count(recovery, "day")}.`;
}

// DeleteSecret requires the user to type the name as it is seen, because a deletion takes all items with it. items are
// those that the page shows, if it shows any.
export function DeleteSecret({ secret, items, onClose, done, onLost, take, at }) {
  const [typed, setTyped] = useState("");
  const { names, recovery } = useRights();
  const action = useAction(onLost);
  const act = async (mine, tag) => {
    await remove(`secrets/${secret.id}/`, mine, tag);
    done();
    notify("Secret deleted", names && recovery > 0 ? undo.deletion(`secrets/${secret.id}/`) : undefined);
  };
  return html`<${FormDialog} title="Delete secret" submit="Delete" danger
    guard=${{ kind: "secret", shown: secret, whole: true, items, take, at }}
    ready=${typed !== "" && seen(typed) === seen(secret.name)} action=${action} act=${act} onClose=${onClose}>
    <p>This deletes <strong class="name"><${Marked} text=${secret.name} /></strong> and all its items.${" "}
      <${Fate} /></p>
    <${Field} label="Type the secret’s name to confirm" name="confirmation" value=${typed} onInput=${setTyped}
      focus />
  <//>`;
}

// remove deletes what has a path and this tag. After a lost answer, a missing object is one that was deleted.
export async function remove(path, lost, tag) {
  try {
    await call("DELETE", path, undefined, { tag });
  } catch (failure) {
    if (!lost || failure.kind !== "missing") throw failure;
  }
}
