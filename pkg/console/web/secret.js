// One secret: its items and the services that use it.

import { refreshBudget } from "./api.js";
import { ImportDialog } from "./import.js";
import { AddItem, DeleteItem, EditItem, ItemRow, RenameItem } from "./items.js";
import { drop, Link, matches, Problem, put, Search, settled, statuses, useList, useOne, useStatus } from "./parts.js";
import { navigate } from "./place.js";
import { html, useEffect, useState } from "./preact.js";
import { DeleteSecret, NameDialog, SecretBadges, SecretButtons } from "./secrets.js";
import { notify, session } from "./session.js";
import { count, loadingMore } from "./text.js";

export function SecretView({ id }) {
  const path = `secrets/${id}/`;
  const secret = useOne(path);
  const items = useList(`${path}items/`);
  const users = useList(`services/?secret=${id}`);
  const [dialog, setDialog] = useState(null); // {kind, secret, item, value}
  const [search, setSearch] = useState("");
  useStatus(secret.data ? [secret.data] : [], (s) => secret.change(() => s));
  useEffect(() => {
    if (!session.get().budget && session.get().key) refreshBudget();
  }, []);

  const close = () => setDialog(null);
  // A change of an item can change the delivery status of the secret.
  const onItem = (item) => items.change(put(item));
  const changed = (notice) => (item) => {
    onItem(item);
    notify(notice);
    secret.reload();
  };
  const found = items.data.filter((item) => matches(item.key, search));
  // An open dialog keeps its input even if the secret disappears.
  const open = dialog && html`<${SecretDialog} dialog=${dialog} secret=${secret} items=${items} id=${id}
    onItem=${onItem} changed=${changed} onClose=${close} />`;
  if (secret.failure?.kind === "missing") {
    return html`<main key="missing">
      <h1 tabindex="-1">Secret not found</h1>
      <${Problem} failure=${secret.failure} />
      <p><${Link} to="">All secrets<//></p>
    </main>${open}`;
  }
  return html`<main key="secret">
    <p><${Link} to="">← All secrets<//></p>
    <div class="bar">
      <h1 tabindex="-1" class="name">${secret.data ? html`<bdi>${secret.data.name}</bdi>` : "Secret"}</h1>
      ${secret.data && html`<div class="badges"><${SecretBadges} secret=${secret.data} /></div>
        <${SecretButtons} secret=${secret.data} open=${setDialog} />`}
    </div>
    <${Problem} failure=${secret.failure} retry=${secret.reload} />
    ${secret.data && !settled(secret.data) &&
      html`<p class="quiet" role="status">${statuses[secret.data.status][1]}</p>`}
    ${secret.data?.status === "failed" && html`<p class="problem">${statuses.failed[1]}</p>`}
    <${Users} users=${users} />
    <section aria-labelledby="items">
      <div class="bar">
        <h2 id="items">Items</h2>
        <${Search} label="Search items by key" value=${search} onInput=${setSearch} />
        <div class="buttons">
          <button onClick=${() => setDialog({ kind: "import" })} disabled=${!items.done}>Paste .env</button>
          <button class="primary" onClick=${() => setDialog({ kind: "add" })} disabled=${!secret.data}>Add item</button>
        </div>
      </div>
      <${Problem} failure=${items.failure} retry=${items.reload} />
      ${!items.done && !items.failure && items.data.length === 0 && html`<p class="quiet">Loading …</p>`}
      ${items.done && items.data.length === 0 && html`<p class="empty">This secret has no items yet.
        Add a key and its value with “Add item”, or many at once with “Paste .env”.</p>`}
      ${items.data.length > 0 && found.length === 0 && html`<p class="empty">No key contains
        “<bdi>${search.trim()}</bdi>”. Press Esc in the search to see all items.</p>`}
      ${found.length > 0 && html`<ul class="rows" aria-label="Items">
        ${found.map((item) => html`<${ItemRow} key=${item.id} item=${item} open=${setDialog} onItem=${onItem} />`)}
      </ul>`}
      ${items.data.length > 0 && html`<p class="quiet">${
        count(items.data.length, "item")}${items.done ? "" : loadingMore}.
        Each “Show” is logged with the user, the time and the source address.</p>`}
    </section>
  </main>${open}`;
}

// SecretDialog is the open dialog of a secret or of one of its items.
function SecretDialog({ dialog, secret, items, id, onItem, changed, onClose }) {
  const { kind, item } = dialog;
  const renamed = (s) => {
    secret.change(() => s);
    notify("The secret was renamed.");
  };
  const deleted = () => {
    items.change(drop(item.id));
    notify("The item was deleted.");
    secret.reload();
  };
  switch (item ? `${kind} item` : kind) {
    case "rename":
      return html`<${NameDialog} secret=${dialog.secret} onClose=${onClose} done=${renamed} />`;
    case "delete":
      return html`<${DeleteSecret} secret=${dialog.secret} onClose=${onClose} done=${() => navigate("")} />`;
    case "add":
      return html`<${AddItem} secret=${id} onClose=${onClose} done=${changed("The item was added.")} />`;
    case "import":
      return html`<${ImportDialog} secret=${id} items=${items.data} onItem=${onItem} onClose=${onClose}
        done=${secret.reload} />`;
    case "edit item":
      return html`<${EditItem} item=${item} value=${dialog.value} onClose=${onClose}
        done=${changed("The value was changed.")} />`;
    case "rename item":
      return html`<${RenameItem} item=${item} onClose=${onClose} done=${changed("The item was renamed.")} />`;
    default:
      return html`<${DeleteItem} item=${item} onClose=${onClose} done=${deleted} />`;
  }
}

// Users are the services that use the secret.
function Users({ users }) {
  return html`<section aria-labelledby="users">
    <h2 id="users">Used by</h2>
    <${Problem} failure=${users.failure} retry=${users.reload} />
    ${!users.done && !users.failure && html`<p class="quiet">Loading …</p>` /* it keeps the layout stable */}
    ${users.done && users.data.length === 0 &&
      html`<p class="quiet">No service uses this secret, so it is not delivered.</p>`}
    ${users.data.length > 0 && html`<ul class="users">
      ${users.data.map((service) => html`<li key=${service.id}><strong>${service.name}</strong>${" "}
        <span class="quiet"><bdi>${service.image}</bdi>, port ${service.port}</span></li>`)}
    </ul>`}
  </section>`;
}
