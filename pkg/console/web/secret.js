// One secret: its items and the services that use it.

import { activity } from "./activity.js";
import { AddItem, DeleteItem, EditItem, itemPath, ItemRow, RenameItem } from "./items.js";
import { Later } from "./lazy.js";
import {
  drop, Link, Marked, merge, Problem, put, reach, Search, settled, statuses, useList, useOne, useRows, useStatus,
  useTitle,
} from "./parts.js";
import { navigate } from "./place.js";
import { html, useState } from "./preact.js";
import { useRights } from "./rights.js";
import { DeleteSecret, MayNot, NameDialog, SecretBadges, SecretButtons } from "./secrets.js";
import { AttachService, Bundle, MoveService, RemoveService, Users } from "./services.js";
import { notify } from "./session.js";
import { count, loadingMore, matches, seen } from "./text.js";
import { undo } from "./undo.js";

export function SecretView({ id }) {
  const path = `secrets/${id}/`;
  const { me, can } = useRights();
  const ifListed = (address) => (can("list") ? address : null);
  const secret = useOne(ifListed(path));
  const items = useList(ifListed(`${path}items/`));
  const users = useList(ifListed(`services/?secret=${id}`));
  const [dialog, setDialog] = useState(null); // {kind, secret, item, service}
  const [search, setSearch] = useState("");
  useTitle(secret.data?.name ?? "Secret");
  useStatus(secret.data ? [secret.data] : [], (_, fields) => secret.change((s) => ({ ...s, ...fields })));

  const close = () => setDialog(null);
  // A change of an item can change the delivery status of the secret.
  const onItems = (...changes) => items.change(put(...changes));
  const onRead = (id, fields) => items.change(merge(id, fields));
  const changed = (notice) => (item, before) => {
    onItems(item);
    notify(notice, before && undo.item(item, before, itemPath(item)));
    secret.reload();
  };
  // After a lost answer, the lists show what was done.
  const reload = () => {
    secret.reload();
    items.reload();
    users.reload();
  };
  const added = (item) => {
    changed("Item added")(item);
    setSearch(""); // it may hide the item
    reach(`[data-item="${item.id}"]`);
  };
  const served = (notice, back) => (service, before) => {
    users.reload();
    secret.reload();
    notify(notice, back?.(service, before));
  };
  const found = items.data.filter((item) => matches(item.key, search));
  const rows = useRows(found, (item) =>
    html`<${ItemRow} key=${item.id} item=${item} open=${setDialog} onItem=${onRead} />`);
  // An open dialog keeps its input even if the secret disappears.
  const open = dialog && html`<${SecretDialog} dialog=${dialog} secret=${secret} items=${items} users=${users} id=${id}
    open=${setDialog} onRead=${onRead} onItems=${onItems} changed=${changed} added=${added} served=${served}
    reload=${reload} onClose=${close} />`;
  if (!can("list")) {
    return html`<main key="hidden"><h1 tabindex="-1">Secret</h1><${MayNot} what="list" /></main>${open}`;
  }
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
      <h1 tabindex="-1" class="name">${secret.data ? html`<${Marked} text=${secret.data.name} />` : "Secret"}</h1>
      ${secret.data && html`<div class="badges"><${SecretBadges} secret=${secret.data} /></div>
        ${can("reveal") && html`<${Link} to=${`compare?a=${id}`} title="With another secret">Compare<//>`}
        ${can("audit") && html`<${Link} to=${activity({ secret: id })}>Activity<//>`}
        <${SecretButtons} secret=${secret.data}
          open=${(d) => setDialog({ ...d, items: items.done ? items.data : undefined })} />`}
    </div>
    <${Problem} failure=${secret.failure} retry=${secret.reload} />
    ${secret.data && !settled(secret.data) &&
      html`<p class="quiet" role="status">${statuses[secret.data.status][1]}</p>`}
    ${secret.data?.status === "failed" && html`<p class="problem">${statuses.failed[1]}</p>`}
    <section aria-labelledby="items">
      <div class="bar">
        <h2 id="items">Items</h2>
        <${Search} label="Search items by key" value=${search} onInput=${setSearch} />
        ${can("write") && html`<${Link} to=${`bin?secret=${id}`} title="Deleted items of this secret">Bin<//>`}
        <div class="buttons">
          ${can("export") && html`<button onClick=${() => setDialog({ kind: "download" })}
            disabled=${!items.done || items.data.length === 0}>Download .env</button>`}
          ${can("write") && html`
            <button onClick=${() => setDialog({ kind: "import" })} disabled=${!items.done}>Paste .env</button>
            <button class="primary" onClick=${() => setDialog({ kind: "add" })}
              disabled=${!secret.data}>Add item</button>`}
        </div>
      </div>
      <${Problem} failure=${items.failure} retry=${items.reload} />
      ${!items.done && !items.failure && items.data.length === 0 && html`<p class="quiet">Loading …</p>`}
      ${items.done && items.data.length === 0 && html`<p class="empty">This secret has no items yet.${" "}
        ${can("write") && "Add a key and its value with “Add item”, or many at once with “Paste .env”."}</p>`}
      ${items.data.length > 0 && found.length === 0 && html`<p class="empty">No key contains
        “<bdi>${search.trim()}</bdi>”. Press Esc in the search to see all items.</p>`}
      ${found.length > 0 && html`<ul class="rows" aria-label="Items">
        ${rows}
      </ul>`}
      ${items.data.length > 0 && html`<p class="quiet">${seen(search) ? `${found.length} of ` : ""}${
        count(items.data.length, "item")}${items.done ? "" : loadingMore}.${" "}
        ${can("reveal") ? "Each “Show” and “Copy” is logged with the user, the time and the source address."
          : me && "Your key may not reveal values."}</p>`}
    </section>
    <${Users} users=${users} open=${setDialog} />
    ${secret.data && html`<${Bundle} secret=${secret.data} items=${items.data} />`}
  </main>${open}`;
}

// SecretDialog is the open dialog of a secret, of one of its items, or of a service that uses it.
function SecretDialog({ dialog, secret, items, users, id, open, onRead, onItems, changed, added, served, reload,
  onClose,
}) {
  const { kind, item, service, version } = dialog;
  const { names, recovery } = useRights();
  const take = (fresh) => {
    if (item) onItems(fresh);
    else if (!service) secret.change(() => fresh);
    reload();
  };
  const common = { onClose, onLost: reload, take };
  const renamed = (s, before) => {
    secret.change(() => s);
    notify("Secret renamed", undo.secret(s, before));
  };
  // The dialogs of a version return to the history, unless they have done something.
  const onVersion = {
    item, version, onLost: reload, take, onClose: () => open({ kind: "history", item }),
  };
  const isDone = (act) => (...results) => {
    onClose();
    act(...results);
  };
  const deleted = () => {
    items.change(drop(item.id));
    notify("Item deleted", recovery > 0 ? undo.deletion(itemPath(item)) : undefined);
    secret.reload();
  };
  switch (item ? `${kind} item` : kind) {
    case "rename":
      return html`<${NameDialog} secret=${dialog.secret} at=${secret.at} done=${renamed} ...${common} />`;
    case "delete":
      return html`<${DeleteSecret} secret=${dialog.secret} items=${dialog.items} at=${secret.at}
        done=${() => navigate("")} ...${common} />`;
    case "add":
      return html`<${AddItem} secret=${id} done=${added} ...${common} />`;
    case "import":
      return html`<${Later} of="ImportDialog" secret=${id} items=${items} onClose=${onClose}
        done=${secret.reload} />`;
    case "download":
      return html`<${Later} of="DownloadDialog" secret=${secret.data} open=${open} onClose=${onClose}
        onRead=${items.reload} />`;
    case "doubts":
      return html`<${Later} of="Doubts" ...${dialog} onClose=${onClose} />`;
    case "attach":
      return html`<${AttachService} secret=${id} done=${served("Service attached")} ...${common} />`;
    case "move":
      return html`<${MoveService} service=${service} at=${users.at}
        done=${served("Service moved", undo.service)} ...${common} />`;
    case "remove":
      return html`<${RemoveService} service=${service} at=${users.at}
        done=${served("Service removed", () => (names ? undo.removal(service) : undefined))} ...${common} />`;
    case "edit item":
      return html`<${EditItem} item=${item} done=${changed("Value changed")} ...${common} />`;
    case "history item":
      return html`<${Later} of="HistoryDialog" item=${items.data.find((one) => one.id === item.id) ?? item}
        open=${open} onItem=${onRead} onClose=${onClose} />`;
    case "rollback item":
      return html`<${Later} of="RollbackDialog" ...${onVersion}
        done=${isDone(changed(`Version ${version.number} is current again`))} />`;
    case "destroy item":
      return html`<${Later} of="DeleteVersion" ...${onVersion} done=${isDone(() => {
        reload();
        notify("Version deleted");
      })} />`;
    case "rename item":
      return html`<${RenameItem} item=${item} done=${changed("Item renamed")} ...${common} />`;
    default:
      return html`<${DeleteItem} item=${item} done=${deleted} ...${common} />`;
  }
}
