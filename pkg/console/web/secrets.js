// The list of secrets, and the dialogs of a secret as a whole.

import { call, refreshBudget } from "./api.js";
import {
  drop, Field, FormDialog, Link, matches, Problem, put, Search, Status, Time, useAction, useList, useStatus,
} from "./parts.js";
import { navigate } from "./place.js";
import { html, useEffect, useState } from "./preact.js";
import { notify, session } from "./session.js";
import { count, loadingMore } from "./text.js";

export function SecretsView() {
  const { search } = session.use();
  const list = useList("secrets/");
  const [dialog, setDialog] = useState(null); // {kind, secret}
  useStatus(list.data, (secret) => list.change(put(secret)));
  // The budget can wait until the list has loaded.
  useEffect(() => {
    if (list.done && !session.get().budget) refreshBudget();
  }, [list.done]);
  const found = list.data.filter((s) => matches(s.name, search));
  const close = () => setDialog(null);
  const changed = (notice) => (secret) => {
    list.change(put(secret));
    notify(notice);
  };
  return html`<main>
    <div class="bar">
      <h1 tabindex="-1">Secrets</h1>
      <${Search} label="Search secrets by name" value=${search} onInput=${(text) => session.set({ search: text })}
        onEnter=${() => found.length && navigate(`secrets/${found[0].id}`)} />
      <button class="primary" onClick=${() => setDialog({ kind: "create" })}>New secret</button>
    </div>
    <${Problem} failure=${list.failure} retry=${list.reload} />
    ${!list.done && !list.failure && list.data.length === 0 && html`<p class="quiet">Loading …</p>`}
    ${list.done && list.data.length === 0 && html`<p class="empty">There are no secrets yet.
      Create one with “New secret”: it is a named group of keys and values.</p>`}
    ${list.data.length > 0 && found.length === 0 && html`<p class="empty">No name contains
      “<bdi>${search.trim()}</bdi>”. Press Esc in the search to see all secrets.</p>`}
    ${found.length > 0 && html`<ul class="rows" aria-label="Secrets">
      ${found.map((secret) => html`<${SecretRow} key=${secret.id} secret=${secret} open=${setDialog} />`)}
    </ul>`}
    ${list.data.length > 0 && html`<p class="quiet">${search ? `${found.length} of ` : ""}${
      count(list.data.length, "secret")}${list.done ? "" : loadingMore}</p>`}
    ${dialog?.kind === "create" &&
      html`<${NameDialog} onClose=${close} done=${changed("The secret was created.")} />`}
    ${dialog?.kind === "rename" &&
      html`<${NameDialog} secret=${dialog.secret} onClose=${close} done=${changed("The secret was renamed.")} />`}
    ${dialog?.kind === "delete" && html`<${DeleteSecret} secret=${dialog.secret} onClose=${close}
      done=${() => list.change(drop(dialog.secret.id))} />`}
  </main>`;
}

function SecretRow({ secret, open }) {
  return html`<li class="row">
    <div class="grow">
      <${Link} to=${`secrets/${secret.id}`} class="name"><bdi>${secret.name}</bdi><//>
      <p class="quiet">Created <${Time} at=${secret.created_at} /></p>
    </div>
    <div class="badges"><${SecretBadges} secret=${secret} /></div>
    <${SecretButtons} secret=${secret} open=${open} />
  </li>`;
}

const defaultHint = "Services that name no secret use this one. It can't be deleted.";
export const SecretBadges = ({ secret }) => html`
  ${secret.is_default && html`<span class="badge" title=${defaultHint}>Default</span>`}
  <${Status} secret=${secret} />`;

// SecretButtons open the dialogs of a secret. Their labels name it for screen readers.
export const SecretButtons = ({ secret, open }) => html`<div class="buttons">
  <button onClick=${() => open({ kind: "rename", secret })} aria-label=${`Rename secret ${secret.name}`}>Rename</button>
  ${!secret.is_default && html`<button class="danger" onClick=${() => open({ kind: "delete", secret })}
    aria-label=${`Delete secret ${secret.name}`}>Delete</button>`}
</div>`;

// NameDialog creates or renames a secret.
export function NameDialog({ secret, onClose, done }) {
  const [name, setName] = useState(secret?.name ?? "");
  const action = useAction();
  const act = async () =>
    done(await (secret ? call("PATCH", `secrets/${secret.id}/`, { name }) : call("POST", "secrets/", { name })));
  return html`<${FormDialog} title=${secret ? "Rename secret" : "New secret"} submit=${secret ? "Rename" : "Create"}
    action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Name" name="name" hint="Up to 255 characters. No other secret may have this name." value=${name}
      onInput=${setName} failure=${action.failure} focus />
  <//>`;
}

// DeleteSecret requires the user to type the name, because a deletion is permanent.
export function DeleteSecret({ secret, onClose, done }) {
  const [typed, setTyped] = useState("");
  const action = useAction();
  const act = async () => {
    await call("DELETE", `secrets/${secret.id}/`);
    done();
    notify("The secret was deleted.");
  };
  return html`<${FormDialog} title="Delete secret" submit="Delete permanently" danger ready=${typed === secret.name}
    action=${action} act=${act} onClose=${onClose}>
    <p>This deletes <strong class="name"><bdi>${secret.name}</bdi></strong> and all its items permanently. It can’t be
      undone.</p>
    <${Field} label="Type the secret’s name to confirm" name="confirmation" value=${typed} onInput=${setTyped}
      focus />
  <//>`;
}
