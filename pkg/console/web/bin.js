// The bin: deleted secrets, or the deleted items of a secret, until they are removed for good.

import {
  call, count, drop, Failure, Field, FormDialog, html, itemPath, Link, Marked, MayNot, Name, notify, place, Problem,
  seen, Time, useAction, useList, useOne, useRights, useState, useTitle,
} from "./shared.js";

// what is in the bin: secrets, or items of one.
const secrets = {
  noun: "secret", field: "name", path: (secret) => `secrets/${secret.id}/`,
  hint: "Up to 255 characters. No other secret may have this name.",
};
const items = {
  noun: "item", field: "key", path: itemPath,
  hint: "Letters, digits, dots, underscores and hyphens. No other item of the secret may have this key.",
};

// An address may come from anyone, and the id becomes a part of paths.
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function BinView() {
  const { query } = place.use();
  const { me, can } = useRights();
  const id = new URLSearchParams(query).get("secret") ?? "";
  const secret = uuid.test(id) ? id : null;
  useTitle("Bin");
  if (!me) return html`<main key="waiting"><h1 tabindex="-1">Bin</h1><p class="quiet">Loading …</p></main>`;
  const lacks = ["list", "write"].find((permission) => !can(permission));
  if (lacks) return html`<main key="hidden"><h1 tabindex="-1">Bin</h1><${MayNot} what=${lacks} /></main>`;
  return html`<${Bin} key=${secret} secret=${secret} />`;
}

function Bin({ secret }) {
  const of = secret ? items : secrets;
  const list = useList(secret ? `secrets/${secret}/items/?deleted=true` : "secrets/?deleted=true");
  const parent = useOne(secret && `secrets/${secret}/`);
  const [dialog, setDialog] = useState(null); // {kind, object}
  const rows = [...list.data].sort((a, b) => Date.parse(b.deleted_at) - Date.parse(a.deleted_at));
  const gone = (object, notice) => {
    list.change(drop(object.id));
    notify(notice);
    document.querySelector("h1").focus(); // the row with the focus is gone
  };
  const restored = (object) => gone(object, `${seen(object[of.field])} is restored`);
  const props = dialog && { of, object: dialog.object, onClose: () => setDialog(null), onLost: list.reload };
  return html`<main key="bin">
    <p>${secret ? html`<${Link} to=${`secrets/${secret}`}>← <${Marked} text=${parent.data?.name ?? "The secret"} /><//>`
      : html`<${Link} to="">← All secrets<//>`}</p>
    <h1 tabindex="-1">${secret ? "Deleted items" : "Deleted secrets"}</h1>
    <${Problem} failure=${list.failure} retry=${list.reload} />
    ${!list.done && !list.failure && html`<p class="quiet">Loading …</p>`}
    ${list.done && rows.length === 0 && html`<p class="empty">The bin is empty.${" "}
      A deleted ${of.noun} stays here for a while, and can be restored.</p>`}
    ${rows.length > 0 && html`<ul class="rows" aria-label="Bin">
      ${rows.map((object) => html`<${Row} key=${object.id} of=${of} object=${object} open=${setDialog}
        restored=${restored} />`)}
    </ul>
    <p class="quiet">${count(rows.length, of.noun)}.</p>`}
    ${dialog?.kind === "restore" && html`<${RestoreDialog} ...${props} failure=${dialog.failure} done=${restored} />`}
    ${dialog?.kind === "delete" && html`<${DeleteForGood} ...${props}
      done=${(object) => gone(object, `${seen(object[of.field])} is deleted for good`)} />`}
  </main>`;
}

function Row({ of, object, open, restored }) {
  const { can, names } = useRights();
  const action = useAction();
  const name = object[of.field];
  const restore = async () => {
    let taken;
    const done = await action.run(async () => {
      try {
        await call("POST", `${of.path(object)}restore/`, {});
      } catch (failure) {
        if (!failure.fields?.[of.field]) throw failure;
        taken = failure;
      }
    });
    if (taken) open({ kind: "restore", object, failure: taken });
    else if (done) restored(object);
  };
  return html`<li class="row">
    <div class="grow">
      <h2 class="name"><${Marked} text=${name} /></h2>
      <p class="quiet">Deleted <${Time} at=${object.deleted_at} /> by <${Name} id=${object.deleted_by} />.${" "}
        It can be restored until it is removed, <${Time} at=${object.restorable_until} />.</p>
    </div>
    <div class="buttons">
      ${(of === items || names) && html`<button onClick=${restore} disabled=${action.busy}
        aria-label=${`Restore ${name}`}>${action.busy ? "Restoring …" : "Restore"}</button>`}
      ${can("admin") && html`<button class="danger" onClick=${() => open({ kind: "delete", object })}
        aria-label=${`Delete for good: ${name}`}>Delete for good</button>`}
    </div>
    <${Problem} failure=${action.failure} />
  </li>`;
}

// RestoreDialog asks for another name, because the old one is taken.
function RestoreDialog({ of, object, failure, onClose, onLost, done }) {
  const [name, setName] = useState(object[of.field]);
  const action = useAction(onLost);
  const act = async () => done(await call("POST", `${of.path(object)}restore/`, { [of.field]: name }));
  return html`<${FormDialog} title="Restore under another ${of.field}" submit="Restore" action=${action} act=${act}
    onClose=${onClose}>
    <p>The ${of.field} is taken by now. Give another one.</p>
    <${Field} label=${of === items ? "Key" : "Name"} name=${of.field} hint=${of.hint} value=${name} onInput=${setName}
      failure=${action.failure ?? failure} focus />
  <//>`;
}

// DeleteForGood removes what is in the bin at once. A secret’s name must be typed, as when it was deleted.
function DeleteForGood({ of, object, onClose, onLost, done }) {
  const [typed, setTyped] = useState("");
  const action = useAction(onLost);
  const act = async (mine) => {
    try {
      await call("DELETE", `${of.path(object)}?permanent=true`, undefined, { tag: object.etag });
    } catch (failure) {
      if (failure.kind === "changed") {
        throw new Failure("refused", `This ${of.noun} was restored or changed meanwhile. It was not deleted.`);
      }
      if (!mine || failure.kind !== "missing") throw failure;
    }
    done(object);
  };
  const name = html`<strong class="name"><${Marked} text=${object[of.field]} /></strong>`;
  return html`<${FormDialog} title="Delete for good" submit="Delete for good" danger action=${action} act=${act}
    ready=${of === items || (typed !== "" && seen(typed) === seen(object.name))} onClose=${onClose}>
    <p>This deletes ${name} for good, with ${of === items ? "all versions of its value" : "all its items"}.
      You can’t undo this.</p>
    ${of === secrets && html`<${Field} label="Type the secret’s name to confirm" name="confirmation" value=${typed}
      onInput=${setTyped} focus />`}
  <//>`;
}
