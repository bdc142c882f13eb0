// Rights: the permissions, their presets, and which secrets they are for. The API decides; the page offers only
// what it would do.

import { Field, Link, Marked, messagesOf, Problem, useId, useList } from "./parts.js";
import { html, useState } from "./preact.js";
import { session } from "./session.js";
import { byName, count, matches } from "./text.js";

// permissions are all of them, in the API's order.
export const permissions = {
  list: ["List", "see the names of secrets and items"],
  reveal: ["Reveal", "see values; each reveal is logged and counted"],
  write: ["Write", "create, change and delete secrets, values and services"],
  audit: ["Audit", "read the log of all accesses and changes"],
  admin: ["Admin", "manage people, machines and their keys"],
  export: ["Export", "read all values of a secret at once; this is logged, and counted as one reveal"],
};
const all = Object.keys(permissions);

const presets = [
  ["Admin", all, "do everything, and manage people, machines and keys"],
  ["Editor", ["list", "reveal", "write"], "see, reveal and change secrets"],
  ["Reader", ["list", "reveal"], "see and reveal secrets"],
  ["Names only", ["list"], "see names, and no values"],
  ["Write only", ["write"], "change secrets without seeing any"],
  ["Auditor", ["list", "audit"], "see names, and who did what"],
  ["Machine", ["list", "reveal", "export"], "read secrets as a whole"],
];
export const presetNamed = (name) => presets.find(([preset]) => preset === name)[1];

const isSame = (some, others) => some.length === others.length && some.every((one) => others.includes(one));
const isWithin = (some, others) => some.every((one) => others.includes(one));
export const both = (some, others) => some.filter((one) => others.includes(one));

// bothSecrets is the intersection of two sets of secrets: null is all.
export const bothSecrets = (a, b) => (a === null ? b : b === null ? a : both(a, b));
export const sameSecrets = (a, b) => (a === null || b === null ? a === b : isSame(a, b));

// forAll reports whether permissions can't be limited to secrets.
const forAll = (chosen) => chosen.includes("admin") || chosen.includes("audit");

// useRights is what the signed-in key may do, and for how many days the bin keeps what it deletes. Until that is known,
// the key is taken to list, and to do nothing else.
export function useRights() {
  const { me } = session.use();
  const can = (permission) => (me ? me.permissions.includes(permission) : permission === "list");
  const unlimited = me !== null && me.secrets === null;
  return {
    me, can, recovery: me?.recovery_days ?? 0,
    names: can("write") && unlimited, // creates and renames secrets and services
  };
}

// summary is a set of rights in a few words, such as "Reader for 2 secrets".
export function summary({ permissions: chosen, secrets }) {
  if (chosen.length === 0) return "No rights";
  const preset = presets.find(([, of]) => isSame(of, chosen));
  const name = preset ? preset[0] : chosen.map((one) => permissions[one]?.[0] ?? one).join(", ");
  return secrets === null ? name : `${name} for ${count(secrets.length, "secret")}`;
}

// RightsList shows rights in full.
export function RightsList({ rights }) {
  const { can } = useRights();
  const { secrets } = rights;
  const list = useList(secrets !== null && can("list") ? "secrets/" : null);
  const named = new Map(list.data.map((secret) => [secret.id, secret.name]));
  const ids = [...(secrets ?? [])].sort((a, b) => byName({ name: named.get(a) ?? "" }, { name: named.get(b) ?? "" }));
  const secret = (id) => {
    if (!named.has(id)) return html`<code title=${id} translate=${false}>…${id.slice(-6)}</code>`;
    return html`<${Link} to=${`secrets/${id}`} class="name"><${Marked} text=${named.get(id)} /><//>`;
  };
  return html`<ul class="plain">
    ${rights.permissions.map((one) => html`<li><strong>${permissions[one]?.[0] ?? one}</strong>: ${
      permissions[one]?.[1]}</li>`)}
    ${rights.permissions.length === 0 && html`<li>None</li>`}
    ${secrets === null ? html`<li>For all secrets</li>`
      : html`<li>Only for ${count(secrets.length, "secret")}${secrets.length > 0 && ": "}${
        ids.map((id, i) => [i > 0 && ", ", secret(id)])}</li>`}
  </ul>`;
}

// Choice is one radio button or check box, with what it means beside its name.
function Choice({ type, name, label, hint, checked, onChange, ...more }) {
  const id = useId();
  return html`<p class="choice">
    <input id=${id} type=${type} name=${name} checked=${checked} aria-describedby=${hint && `${id}-hint`}
      onChange=${(event) => onChange(event.target.checked)} ...${more} />
    <span><label for=${id}>${label}</label>
      ${hint && html` <span class="quiet" id="${id}-hint">${hint}</span>`}</span>
  </p>`;
}

// Group is a set of choices with the API's messages on the field that they make.
function Group({ title, name, failure, children }) {
  const id = useId();
  const messages = messagesOf(failure, name);
  return html`<fieldset aria-describedby=${messages && id}>
    <legend>${title}</legend>
    ${children}
    ${messages && html`<p class="wrong" id=${id} role="alert">${messages}</p>`}
  </fieldset>`;
}

// useChosen is the state of the fields that choose rights: {value, body, ...}.
export function useChosen(rights) {
  const [value, setValue] = useState({
    permissions: rights.permissions, limited: rights.secrets !== null, secrets: rights.secrets ?? [],
  });
  const body = {
    permissions: all.filter((one) => value.permissions.includes(one)),
    secrets: value.limited && !forAll(value.permissions) ? value.secrets : null,
  };
  return { value, body, change: (fields) => setValue((old) => ({ ...old, ...fields })) };
}

// Presets are the usual sets of permissions, and each permission alone. No user gives what they lack.
export function Presets({ chosen, most, failure }) {
  const { can } = useRights();
  const { permissions: now } = chosen.value;
  const known = presets.some(([, of]) => isSame(of, now));
  return html`<${Group} title="May do" name="permissions" failure=${failure}>
    ${presets.filter(([, of]) => isWithin(of, most)).map(([label, of, hint]) => html`<${Choice} type="radio"
      name="preset" label=${label} hint=${hint} checked=${isSame(of, now)}
      onChange=${() => chosen.change({ permissions: of, ...(label === "Machine" && { limited: can("list") }) })} />`)}
    <details open=${!known}><summary>Choose single permissions</summary>
      <${Permissions} chosen=${chosen} most=${most} />
    </details>
  <//>`;
}

// Permissions are single permissions, of those that may be chosen.
function Permissions({ chosen, most }) {
  const now = chosen.value.permissions;
  const toggle = (one) => (on) =>
    chosen.change({ permissions: on ? [...now, one] : now.filter((other) => other !== one) });
  return all.filter((one) => most.includes(one)).map((one) => html`<${Choice} type="checkbox" key=${one}
    label=${permissions[one][0]} hint=${permissions[one][1]} checked=${now.includes(one)} onChange=${toggle(one)} />`);
}

export const PermissionGroup = ({ chosen, most, failure }) => html`
  <${Group} title="May do" name="permissions" failure=${failure}>
    <${Permissions} chosen=${chosen} most=${most} />
  <//>`;

const mostShown = 50; // secrets to choose from

// SecretsGroup limits rights to secrets: to some of most, a list of ids, or null for those of the account.
export function SecretsGroup({ chosen, most = null, everything = "All secrets", failure }) {
  const { can } = useRights();
  const { permissions: now, limited } = chosen.value;
  const limit = (to) => () => chosen.change({ limited: to });
  const possible = most !== null || can("list");
  if (forAll(now)) {
    return html`<${Group} title="Secrets" name="secrets" failure=${failure}>
      <p class="hint">“Admin” and “Audit” are for all secrets. They can’t be limited.</p>
    <//>`;
  }
  return html`<${Group} title="Secrets" name="secrets" failure=${failure}>
    <${Choice} type="radio" name="limited" label=${everything} hint=${most === null && "also later ones"}
      checked=${!limited} onChange=${limit(false)} />
    ${possible ? html`<${Choice} type="radio" name="limited" label="Only some" hint="up to 50" checked=${limited}
        onChange=${limit(true)} />`
      : html`<p class="hint">Your key may not list secrets, so it can’t choose some.</p>`}
    ${limited && possible && html`<${SecretsList} chosen=${chosen} most=${most} />`}
  <//>`;
}

function SecretsList({ chosen, most }) {
  const { can } = useRights();
  const list = useList(can("list") ? "secrets/" : null);
  const [search, setSearch] = useState("");
  const now = chosen.value.secrets;
  const [first] = useState(now); // they come first, and no row moves when it is chosen
  const toggle = (id) => (on) =>
    chosen.change({ secrets: on ? [...now, id] : now.filter((other) => other !== id) });
  // Ids without a name: of deleted secrets, or the key may not list.
  const unnamed = list.done || !can("list") ? (most ?? now).filter((id) => !list.data.some((s) => s.id === id)) : [];
  const rows = list.data.filter((secret) => most === null || most.includes(secret.id));
  const found = rows.filter((secret) => matches(secret.name, search))
    .sort((a, b) => first.includes(b.id) - first.includes(a.id) || byName(a, b));
  return html`<div class="some">
    <${Problem} failure=${list.failure} retry=${list.reload} />
    ${rows.length > 10 && html`<${Field} label="Find a secret" name="find" value=${search} onInput=${setSearch}
      onKeyDown=${(event) => event.key === "Enter" && event.preventDefault()} />`}
    <div class="list" role="group" aria-label="Chosen secrets">
      ${!list.done && can("list") && !list.failure && html`<p class="quiet">Loading …</p>`}
      ${found.slice(0, mostShown).map((secret) => html`<${Choice} type="checkbox" key=${secret.id}
        label=${html`<${Marked} text=${secret.name} />`} checked=${now.includes(secret.id)}
        onChange=${toggle(secret.id)} />`)}
      ${unnamed.map((id) => html`<${Choice} type="checkbox" key=${id} label=${`…${id.slice(-6)}`}
        hint=${list.done && "deleted secret"} checked=${now.includes(id)} onChange=${toggle(id)} />`)}
      ${found.length > mostShown && html`<p class="quiet">${found.length - mostShown} more: find them by name.</p>`}
    </div>
    <p class="quiet" role="status">${count(now.length, "secret")} chosen</p>
  </div>`;
}
