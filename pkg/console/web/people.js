// The account's people and machines, and their rights.

import { activity } from "./activity.js";
import { all, call, refreshMe } from "./api.js";
import { invitationOf, Keys, makeKey, ShownKey, WillStop } from "./apikeys.js";
import { Name } from "./names.js";
import {
  drop, Field, FormDialog, Link, Marked, Menu, Problem, put, Search, Time, useAction, useList, useOne, useRows,
  useTitle,
} from "./parts.js";
import { navigate } from "./place.js";
import { html, useState } from "./preact.js";
import {
  presetNamed, Presets, RightsList, sameSecrets, SecretsGroup, summary, useChosen, useRights,
} from "./rights.js";
import { MayNot, remove } from "./secrets.js";
import { notify, session, signOut } from "./session.js";
import { byName, count, loadingMore, matches, seen } from "./text.js";

export function PeopleView() {
  const { can } = useRights();
  const list = useList(can("admin") ? "users/" : null);
  const [search, setSearch] = useState("");
  const [dialog, setDialog] = useState(null); // {kind, user}
  const [made, setMade] = useState(null); // {key, user}: the key that is shown
  useTitle("People and machines");
  const found = list.data.filter((user) => matches(user.name, search) || (user.email && matches(user.email, search)))
    .sort(byName);
  const rows = useRows(found, (user) => html`<${UserRow} key=${user.id} user=${user} open=${setDialog} />`);
  if (!can("admin")) {
    return html`<main key="hidden"><h1 tabindex="-1">People and machines</h1><${MayNot} what="admin" /></main>`;
  }
  const onUser = (user) => list.change(put(user));
  const onMade = (key, user) => {
    onUser({ ...user, keys: user.keys + 1 });
    setMade({ key, user });
  };
  const common = { user: dialog?.user, onUser, onMade, onClose: () => setDialog(null), onLost: list.reload };
  const section = (kind, title, add, none) => {
    const some = rows.filter((row, i) => found[i].kind === kind);
    return html`<section aria-labelledby=${kind}>
      <div class="bar">
        <h2 id=${kind}>${title}</h2>
        <button class="primary" onClick=${() => setDialog({ kind })}>${add}</button>
      </div>
      ${some.length > 0 && html`<ul class="rows" aria-label=${title}>${some}</ul>`}
      ${list.done && some.length === 0 && html`<p class="quiet">${seen(search) ? "No name contains this." : none}</p>`}
    </section>`;
  };
  return html`<main key="list">
    <div class="bar">
      <h1 tabindex="-1">People and machines</h1>
      <${Search} label="Search by name" value=${search} onInput=${setSearch}
        onEnter=${() => found.length && navigate(`people/${found[0].id}`)} />
    </div>
    <${Problem} failure=${list.failure} retry=${list.reload} />
    ${!list.done && !list.failure && list.data.length === 0 && html`<p class="quiet">Loading …</p>`}
    ${section("person", "People", "Invite a person", "There are no people.")}
    ${section("machine", "Machines", "Add a machine",
      "There are no machines. A machine is a program with its own key, such as a CI job.")}
    ${list.data.length > 0 && html`<p class="quiet">${seen(search) ? `${found.length} of ` : ""}${
      count(list.data.length, "user")}${list.done ? "" : loadingMore}</p>`}
    <${UserDialog} dialog=${dialog} onGone=${() => list.change(drop(dialog.user.id))} ...${common} />
    ${made && html`<${ShownKey} made=${made.key} user=${made.user} onClose=${() => setMade(null)} />`}
  </main>`;
}

function UserRow({ user, open }) {
  const { me } = useRights();
  return html`<li class="row" data-user=${user.id}>
    <div class="grow">
      <${Link} to=${`people/${user.id}`} class="name" aria-label=${user.name}><${Marked} text=${user.name} /><//>
      <p class="quiet">${summary(user)} · ${count(user.keys, "key")}${
        user.email && html` · <bdi translate=${false}>${user.email}</bdi>`}</p>
    </div>
    <div class="badges">${me?.user.id === user.id && html`<span class="badge ready">You</span>`}</div>
    <${Menu} label=${`More actions for ${user.name}`}><${UserButtons} user=${user} open=${open} /><//>
  </li>`;
}

const UserButtons = ({ user, open }) => html`
  <button onClick=${() => open({ kind: "edit", user })} aria-label=${`Edit ${user.name}`}>Edit</button>
  <button class="danger" onClick=${() => open({ kind: "delete", user })}
    aria-label=${`Delete ${user.name}`}>Delete</button>`;

// UserDialog is the open dialog of a user, if any.
function UserDialog({ dialog, ...more }) {
  switch (dialog?.kind) {
    case undefined:
      return null;
    case "edit":
      return html`<${EditUser} ...${more} />`;
    case "delete":
      return html`<${DeleteUser} ...${more} />`;
    default:
      return html`<${NewUser} kind=${dialog.kind} ...${more} />`;
  }
}

const kinds = { person: "Person", machine: "Machine" };

// UserView is one user, with their keys.
export function UserView({ id }) {
  const { can } = useRights();
  const one = useOne(can("admin") ? `users/${id}/` : null);
  const [dialog, setDialog] = useState(null);
  const user = one.data;
  useTitle(user?.name ?? "User");
  if (!can("admin")) {
    return html`<main key="hidden"><h1 tabindex="-1">User</h1><${MayNot} what="admin" /></main>`;
  }
  const missing = one.failure?.kind === "missing";
  // The heading stays the same element, which may have the focus.
  return html`<main key="user">
    <p><${Link} to="people">← All people and machines<//></p>
    <div class="bar">
      <h1 tabindex="-1" class="name">${user ? html`<${Marked} text=${user.name} />`
        : missing ? "Deleted user" : "User"}</h1>
      ${user && html`<div class="badges"><span class="badge">${kinds[user.kind]}</span></div>
        ${can("audit") && html`<${Link} to=${activity({ user: id })}>Activity<//>`}
        <div class="buttons"><${UserButtons} user=${user} open=${setDialog} /></div>`}
    </div>
    ${missing ? html`<p class="problem">There is no such user any more: it was deleted.</p>`
      : html`<${Problem} failure=${one.failure} retry=${one.reload} />`}
    ${!user && !one.failure && html`<p class="quiet">Loading …</p>`}
    ${user && html`<dl class="facts">
      ${user.email && html`<dt>Email</dt><dd><bdi translate=${false}>${user.email}</bdi></dd>`}
      <dt>May</dt><dd><${RightsList} rights=${user} /></dd>
      ${user.reveal_limit !== null &&
        html`<dt>Reveals</dt><dd><span>at most ${user.reveal_limit} in a window</span></dd>`}
      <dt>Created</dt><dd><span><${Time} at=${user.created_at} /> by <${Name} id=${user.created_by} /></span></dd>
    </dl>
    <${Keys} user=${user} />
    <${UserDialog} dialog=${dialog} user=${user} onUser=${(changed) => one.change(() => changed)}
      onGone=${() => navigate("people")} onClose=${() => setDialog(null)} onLost=${one.reload} />`}
  </main>`;
}

// useUserFields are the fields of a user: {fields, body, draw}. body has what differs from the user, if one exists.
function useUserFields(kind, user, first) {
  const { me, can } = useRights();
  const [fields, setFields] = useState({
    name: user?.name ?? "", email: user?.email ?? "", limit: String(user?.reveal_limit ?? ""),
  });
  const chosen = useChosen(user ?? first(can));
  const set = (name) => (text) => setFields((old) => ({ ...old, [name]: text }));
  const limit = fields.limit.trim();
  const all = {
    name: fields.name, ...chosen.body, email: fields.email.trim() || null,
    reveal_limit: limit === "" ? null : /^\d{1,9}$/.test(limit) ? Number(limit) : limit,
  };
  const same = {
    name: all.name === user?.name, email: all.email === (user?.email ?? null),
    permissions: user && String(all.permissions) === String(user.permissions),
    secrets: sameSecrets(all.secrets, user ? user.secrets : null),
    reveal_limit: all.reveal_limit === (user?.reveal_limit ?? null),
  };
  const body = Object.fromEntries(Object.entries(all).filter(([name]) => !same[name]));
  const most = [...new Set([...(me?.permissions ?? []), ...(user?.permissions ?? [])])];
  const draw = (failure) => {
    const { email, reveal_limit: wrong } = failure?.fields ?? {};
    return html`
      <${Field} label="Name" name="name" value=${fields.name} onInput=${set("name")} failure=${failure} focus
        hint=${kind === "machine" ? "Such as nightly-backup." : "Such as Ada Lovelace. All users see it."} />
      <${Presets} chosen=${chosen} most=${most} failure=${failure} />
      <${SecretsGroup} chosen=${chosen} failure=${failure} />
      <details open=${Boolean(user?.email || user?.reveal_limit || email || wrong)}><summary>More</summary>
        <div class="stack">
          ${(kind === "person" || user?.email) && html`<${Field} label="Email" name="email"
            hint="Optional. It is shown only: nothing is sent there." value=${fields.email} onInput=${set("email")}
            failure=${failure} />`}
          <${Field} label="Reveal limit" name="reveal_limit" inputmode="numeric"
            hint="Optional: 1 to 1000 reveals in a window, instead of the deployment’s limit." value=${fields.limit}
            onInput=${set("limit")} failure=${failure} />
        </div>
      </details>`;
  };
  return { fields, body, draw };
}

// NewUser makes a user, and then their first key: an invitation for a person.
function NewUser({ kind, onUser, onMade, onClose, onLost }) {
  const isPerson = kind === "person";
  const [user, setUser] = useState(null); // once it is made
  const { fields, body, draw } = useUserFields(kind, null, (can) => ({
    permissions: presetNamed(isPerson ? "Reader" : "Machine").filter(can),
    secrets: isPerson || !can("list") ? null : [],
  }));
  const action = useAction(onLost);
  const act = async (mine) => {
    let made = user;
    if (!made) {
      made = (await findUser({ kind, ...body }, mine)) ?? (await call("POST", "users/", { kind, ...body }));
      setUser(made);
      onUser(made);
    }
    const of = isPerson ? invitationOf(made) : { user: made.id, name: "First key" };
    const key = await makeKey(of, user && mine);
    return () => onMade(key, made);
  };
  const first = isPerson ? "invitation" : "key";
  return html`<${FormDialog} title=${isPerson ? "Invite a person" : "Add a machine"}
    submit=${user ? `Make the ${first}` : isPerson ? "Invite" : "Add"} dirty=${fields.name !== "" && !user}
    what=${JSON.stringify(body)} action=${action} act=${act} onClose=${onClose}>
    ${user ? html`<p><strong class="name"><${Marked} text=${user.name} /></strong> was added, but the ${first} could not
      be made. Try again, or make it later on their page.</p>` : draw(action.failure)}
  <//>`;
}

// findUser returns the user that an earlier try has made, if its answer was lost: see useAction.
async function findUser({ kind, name }, mine) {
  if (!mine) return undefined;
  const { me } = session.get();
  let users = [];
  await all("users/", (rows) => (users = rows));
  return users.find((user) => user.kind === kind && user.name === name.trim() && user.created_by === me.user.id &&
    mine(user));
}

function EditUser({ user, onUser, onClose, onLost }) {
  const { body, draw } = useUserFields(user.kind, user);
  const action = useAction(onLost);
  const act = async () => {
    const changed = await call("PATCH", `users/${user.id}/`, body);
    onUser(changed);
    session.set({ names: null }); // the name may be another
    if (session.get().me?.user.id === user.id) refreshMe();
    notify(`${user.kind === "person" ? "Person" : "Machine"} changed`);
  };
  return html`<${FormDialog} title="Edit" submit="Save" dirty=${Object.keys(body).length > 0} action=${action}
    act=${act} onClose=${onClose}>
    <p class="hint">What you take away counts for all keys of this ${user.kind}: for values at once, for all else
      within about a minute. What you add needs a new ${user.kind === "person" ? "invitation" : "key"}: no key gets
      wider.</p>
    ${draw(action.failure)}
  <//>`;
}

function DeleteUser({ user, onGone, onClose, onLost }) {
  const { me } = useRights();
  const keys = useList(`keys/?user=${user.id}`);
  const action = useAction(onLost);
  const act = async (mine) => {
    await remove(`users/${user.id}/`, mine);
    session.set({ names: null });
    onGone();
    notify(`${kinds[user.kind]} deleted`);
    if (me?.user.id === user.id) signOut("You have deleted yourself. Sign in with the key of another user.");
  };
  return html`<${FormDialog} title=${`Delete a ${user.kind}`} submit="Delete permanently" danger ready=${keys.done}
    action=${action} act=${act} onClose=${onClose}>
    <p>This deletes <strong class="name"><${Marked} text=${user.name} /></strong> permanently. ${keys.done &&
      (keys.data.length > 0 ? "These keys stop working:" : "There are no keys.")}</p>
    <${Problem} failure=${keys.failure} retry=${keys.reload} />
    ${keys.data.length > 0 && html`<${WillStop} keys=${keys.data} />`}
    ${me?.user.id === user.id && html`<p class="problem">This is you. You need another user’s key to come back.</p>`}
    <p class="hint">The log keeps what the user did. Keys that the user made for others stay. To revoke them, too, first
      revoke the key that made them.</p>
  <//>`;
}
