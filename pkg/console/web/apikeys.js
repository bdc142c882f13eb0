// The API keys of a user: to make, narrow and revoke them. A new key is shown once.

import { all, call, eachOf } from "./api.js";
import { copy } from "./clipboard.js";
import { Name } from "./names.js";
import {
  Dialog, Discard, drop, Field, FormDialog, Marked, Menu, messagesOf, Problem, put, Time, useAction, useDiscard,
  useId, useList, useOne,
} from "./parts.js";
import { html, useEffect, useState } from "./preact.js";
import {
  both, bothSecrets, PermissionGroup, sameSecrets, SecretsGroup, summary, useChosen, useRights,
} from "./rights.js";
import { remove } from "./secrets.js";
import { notify, session, signOut } from "./session.js";
import { count, exactly } from "./text.js";

export const isExpired = (key) => key.expires_at !== null && Date.parse(key.expires_at) <= Date.now();

// rightsOf is what a key may do: what it and its user both may.
export const rightsOf = (key, user) => ({
  permissions: both(key.permissions, user.permissions), secrets: bothSecrets(key.secrets, user.secrets),
});

// Keys are the keys of a user, in the signed-in one's view.
export function Keys({ user }) {
  const { me, can } = useRights();
  const own = user.id === me?.user.id;
  const isPerson = user.kind === "person";
  const list = useList(`keys/?user=${user.id}`);
  const [dialog, setDialog] = useState(null); // {kind, key}
  const [made, setMade] = useState(null); // the key that is shown
  const close = () => setDialog(null);
  const onMade = (key) => {
    const { key: _, ...known } = key;
    list.change(put(known));
    setMade(key);
  };
  const changed = (key) => {
    list.change(put(key));
    notify("Key changed");
  };
  const revoked = () => {
    list.change(drop(dialog.key.id));
    list.reload(); // it may have made others of them
    notify("Key revoked");
  };
  const mayMake = own ? isPerson : can("admin");
  const mayChange = can("admin") || (own && isPerson);
  const common = { user, own, onClose: close, onLost: list.reload };
  return html`<section aria-labelledby="keys">
    <div class="bar">
      <h2 id="keys">Keys</h2>
      ${mayMake && html`<button onClick=${() => setDialog({ kind: own || !isPerson ? "new" : "invite" })}>${
        own || !isPerson ? "New key" : "New invitation"}</button>`}
    </div>
    <${Problem} failure=${list.failure} retry=${list.reload} />
    ${!list.done && !list.failure && html`<p class="quiet">Loading …</p>`}
    ${list.done && list.data.length === 0 && html`<p class="quiet">There are no keys. ${isPerson
      ? "An invitation lets a person make the first one." : "A machine needs one to call the API."}</p>`}
    ${list.data.length > 0 && html`<ul class="rows" aria-label="Keys">
      ${list.data.map((key) => html`<${KeyRow} key=${key.id} apiKey=${key} user=${user}
        open=${mayChange && setDialog} />`)}
    </ul>`}
    ${dialog?.kind === "new" && html`<${NewKey} done=${onMade} ...${common} />`}
    ${dialog?.kind === "invite" && html`<${NewInvitation} done=${onMade} ...${common} />`}
    ${dialog?.kind === "edit" && html`<${EditKey} apiKey=${dialog.key} done=${changed} ...${common} />`}
    ${dialog?.kind === "revoke" && html`<${RevokeKey} apiKey=${dialog.key} done=${revoked} ...${common} />`}
    ${made && html`<${ShownKey} made=${made} user=${user} onClose=${() => setMade(null)} />`}
  </section>`;
}

function KeyRow({ apiKey, user, open }) {
  const { me } = useRights();
  const { name, invitation } = apiKey;
  return html`<li class="row" data-key=${apiKey.id}>
    <div class="grow">
      <h3 class="name"><${Marked} text=${name} /> <${Prefix} of=${apiKey} /></h3>
      <p class="quiet">${invitation ? "Can be exchanged for a key, once" : summary(rightsOf(apiKey, user))} ·${" "}
        <${LastUse} of=${apiKey} /> · <${Expiry} of=${apiKey} /></p>
      <p class="quiet">Made <${Time} at=${apiKey.created_at} /> by <${Name} id=${apiKey.created_by} /></p>
    </div>
    <div class="badges">
      ${me?.key.id === apiKey.id && html`<span class="badge ready">Signed in with it</span>`}
      ${invitation && html`<span class="badge">Invitation</span>`}
      ${isExpired(apiKey) && html`<span class="badge failed">Expired</span>`}
    </div>
    ${open && html`<${Menu} label=${`More actions for key ${name}`}>
      ${!invitation && html`<button onClick=${() => open({ kind: "edit", key: apiKey })}
        aria-label=${`Edit key ${name}`}>Rename or narrow</button>`}
      <button class="danger" onClick=${() => open({ kind: "revoke", key: apiKey })}
        aria-label=${`Revoke key ${name}`}>Revoke</button>
    <//>`}
  </li>`;
}

const Prefix = ({ of }) => html`<code translate=${false} title="The first characters of the key">${of.prefix}…</code>`;

const LastUse = ({ of }) => (of.last_used_at ? html`<span>last used <${Time} at=${of.last_used_at} /></span>`
  : html`<span>never used</span>`);

function Expiry({ of }) {
  if (!of.expires_at) return html`<span>never expires</span>`;
  return html`<span>${isExpired(of) ? "expired" : "expires"} <${Time} at=${of.expires_at} /></span>`;
}

// KeyLine is a key in one line, with its last use.
const KeyLine = ({ of }) => html`<li>
  <strong class="name"><${Marked} text=${of.name} /></strong> <${Prefix} of=${of} />, <${LastUse} of=${of} /></li>`;

// WillStop lists keys that stop working.
export function WillStop({ keys }) {
  return html`<ul class="stops">${keys.map((key) => html`<${KeyLine} key=${key.id} of=${key} />`)}</ul>`;
}

// makeKey makes a key. A key of an earlier try whose answer was lost is of no use, since its text was in the answer.
export async function makeKey(body, mine) {
  const { me } = session.get();
  if (mine) {
    const user = body.user ?? me.user.id;
    let keys = [];
    await all(`keys/?user=${user}`, (rows) => (keys = rows));
    const lost = keys.filter((key) => key.name === body.name.trim() && key.made_by === me.key.id && mine(key));
    for (const { id } of lost) await remove(`keys/${id}/`, true);
  }
  return await call("POST", "keys/", body);
}

// KeyText is a key in clear. onCopied is called once it was copied.
export function KeyText({ text, label = "Copy key", onCopied }) {
  const [failed, setFailed] = useState(false);
  const take = async () => {
    const done = await copy(text, true);
    setFailed(!done);
    if (done) onCopied();
  };
  return html`<div class="shown">
    <pre class="value" translate=${false} tabindex="0" aria-label="Shown once" onCopy=${onCopied}>${text}</pre>
    ${failed && html`<p class="wrong" role="alert">The browser did not allow the copy. Select the key and copy it
      yourself.</p>`}
    <div class="buttons"><p class="hint grow">It is shown only now.</p>
      <button type="button" onClick=${take}>${label}</button></div>
  </div>`;
}

// useGone calls act when the API no longer accepts the key of the session: another user could sign in.
function useGone(act) {
  const { key } = session.use();
  useEffect(() => {
    if (key === null) act();
  }, [key]);
}

// ShownKey shows a new key, and asks before it is lost.
export function ShownKey({ made, user, onClose }) {
  const [copied, setCopied] = useState(false);
  const discard = useDiscard(!copied, false, onClose);
  useGone(onClose);
  const name = html`<strong class="name"><${Marked} text=${user.name} /></strong>`;
  const place = new URL("./", document.baseURI).href;
  return html`<${Dialog} title=${made.invitation ? "Invitation" : "New key"} onClose=${discard.close}>
    <div class="stack">
      ${made.invitation ? html`<p>Give this invitation to ${name}, with the address of this console:${" "}
          <code translate=${false}>${place}</code>. It can be used once, to make a key there, and expires${" "}
          <${Time} at=${made.expires_at} />.</p>`
        : html`<p>This is the key of ${name}.</p>
        ${user.kind === "machine" && html`<p>The machine sends it with each request:${" "}
          <code translate=${false}>Authorization: Bearer gob_…</code></p>`}`}
      <${KeyText} text=${made.key} label=${made.invitation ? "Copy invitation" : "Copy key"}
        onCopied=${() => setCopied(true)} />
      ${discard.asking
        ? html`<${Discard} discard=${discard} onClose=${onClose} question="You have not copied it. Close it anyway?"
          keep="Go back" lose="Close" />`
        : html`<div class="buttons end"><button type="button" class="primary" onClick=${discard.close}>Done</button>
        </div>`}
    </div>
  <//>`;
}

const day = 86400000; // ms

// ExpiryField chooses when a key expires: an ISO time, or null for never. It is not later than most, if that is set.
// first is the choice at first.
function ExpiryField({ value, onInput, most, first, failure }) {
  const id = useId();
  const [choice, setChoice] = useState("first");
  const [date, setDate] = useState("");
  const messages = messagesOf(failure, "expires_at");
  const after = (days) => new Date(Date.now() + days * day).toISOString();
  const spans = [7, 30, 90, 365].filter((days) => !most || Date.now() + days * day < Date.parse(most));
  const enter = (text) => { // a day ends when the next one begins
    setDate(text);
    const end = new Date(`${text}T00:00`);
    end.setDate(end.getDate() + 1);
    onInput(Number.isNaN(end.getTime()) ? text : end.toISOString());
  };
  const choose = (to) => {
    setChoice(to);
    if (to === "first") onInput(first);
    else if (to === "date") enter(date);
    else onInput(after(Number(to)));
  };
  return html`<div class="field">
    <label for=${id}>Expires</label>
    <select id=${id} value=${choice} onChange=${(event) => choose(event.target.value)}
      aria-describedby=${messages && `${id}-error`} aria-invalid=${messages ? "true" : undefined}>
      <option value="first">${first ? exactly(first) : "Never"}</option>
      ${spans.map((days) => html`<option value=${days}>In ${count(days, "day")}</option>`)}
      <option value="date">After a day …</option>
    </select>
    ${choice === "date" &&
      html`<${Field} label="Last day" name="last_day" type="date" value=${date} onInput=${enter} />`}
    ${messages && html`<p class="wrong" id="${id}-error">${messages}</p>`}
  </div>`;
}

// NewKey makes a key: of one's own, or for a machine.
function NewKey({ user, own, done, onClose, onLost }) {
  const { me } = useRights();
  const most = { // no key may do more than its maker
    permissions: both(user.permissions, me.permissions), secrets: bothSecrets(user.secrets, me.secrets),
  };
  const limit = own ? me.key.expires_at : null;
  const [name, setName] = useState("");
  const [expires, setExpires] = useState(limit);
  const chosen = useChosen({ permissions: most.permissions, secrets: null });
  const action = useAction(onLost);
  const { permissions, secrets } = chosen.body;
  const body = {
    name, permissions, ...(secrets && { secrets }), ...(!own && { user: user.id }),
    ...(expires !== limit && { expires_at: expires }),
  };
  const act = async (mine) => {
    const made = await makeKey(body, mine);
    return () => done(made);
  };
  return html`<${FormDialog} title="New key" submit="Make the key" dirty=${name !== ""} what=${JSON.stringify(body)}
    action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Name" name="name" hint="Where it is used, such as laptop or nightly job." value=${name}
      onInput=${setName} failure=${action.failure} focus />
    <${PermissionGroup} chosen=${chosen} most=${most.permissions} failure=${action.failure} />
    <${SecretsGroup} chosen=${chosen} most=${most.secrets} failure=${action.failure}
      everything=${most.secrets ? `All ${count(most.secrets.length, "secret")} of the user` : "All secrets"} />
    <${ExpiryField} value=${expires} onInput=${setExpires} most=${limit} first=${limit} failure=${action.failure} />
  <//>`;
}

// NewInvitation makes an invitation for a person, who makes the key: so only they ever see it.
function NewInvitation({ user, done, onClose, onLost }) {
  const action = useAction(onLost);
  const act = async (mine) => {
    const made = await makeKey(invitationOf(user), mine);
    return () => done(made);
  };
  return html`<${FormDialog} title="New invitation" submit="Make the invitation" action=${action} act=${act}
    what="invitation" onClose=${onClose}>
    <p>With it, <strong class="name"><${Marked} text=${user.name} /></strong> signs in here and makes a key. It can be
      used once, within 7 days.</p>
  <//>`;
}

export const invitationOf = (user) => ({ user: user.id, name: "Invitation", invitation: true });

// EditKey renames a key, or takes rights from it.
function EditKey({ apiKey, user, done, onClose, onLost }) {
  const [name, setName] = useState(apiKey.name);
  const [expires, setExpires] = useState(apiKey.expires_at);
  const chosen = useChosen(apiKey);
  const action = useAction(onLost);
  const { permissions, secrets } = chosen.body;
  const body = {
    ...(name !== apiKey.name && { name }),
    ...(permissions.length !== apiKey.permissions.length && { permissions }),
    ...(!sameSecrets(secrets, apiKey.secrets) && { secrets }),
    ...(expires !== apiKey.expires_at && { expires_at: expires }),
  };
  const act = async () => done(await call("PATCH", `keys/${apiKey.id}/`, body));
  return html`<${FormDialog} title="Rename or narrow a key" submit="Save" dirty=${Object.keys(body).length > 0}
    action=${action} act=${act} onClose=${onClose}>
    <p>What you take from a key can’t be given back: make a new one for that.</p>
    <${Field} label="Name" name="name" value=${name} onInput=${setName} failure=${action.failure} focus />
    <${PermissionGroup} chosen=${chosen} most=${apiKey.permissions} failure=${action.failure} />
    <${SecretsGroup} chosen=${chosen} most=${apiKey.secrets ?? user.secrets} failure=${action.failure}
      everything=${apiKey.secrets ? `All ${count(apiKey.secrets.length, "secret")} of the key`
        : user.secrets ? "All secrets of the user" : "All secrets"} />
    <${ExpiryField} value=${expires} onInput=${setExpires} most=${apiKey.expires_at} first=${apiKey.expires_at}
      failure=${action.failure} />
  <//>`;
}

const mostNamed = 10;

// RevokeKey says what stops working, and can revoke what the key has made, directly or through other keys.
function RevokeKey({ apiKey, user, done, onClose, onLost }) {
  const { me } = useRights();
  const path = `keys/${apiKey.id}/`;
  const one = useOne(path);
  const [named, setNamed] = useState([]);
  const [too, setToo] = useState(false);
  const action = useAction(onLost);
  const made = one.data?.made ?? [];
  useEffect(() => {
    const keys = [];
    eachOf(made.slice(0, mostNamed), 4, async (id) => {
      keys.push(await call("GET", `keys/${id}/`));
      setNamed([...keys]);
    }).catch(() => {}); // their number is known
  }, [made.join(" ")]);
  const own = me?.key.id === apiKey.id;
  const act = async (mine) => {
    await remove(too ? `${path}?made=true` : path, mine);
    done();
    if (own) signOut("You have revoked the key that you were signed in with. Sign in with another one.");
  };
  return html`<${FormDialog} title="Revoke key" submit="Revoke" danger action=${action} act=${act} what=${`${too}`}
    ready=${one.data !== null} onClose=${onClose}>
    <p>What uses this key of <strong class="name"><${Marked} text=${user.name} /></strong> stops working:</p>
    <${WillStop} keys=${[apiKey]} />
    ${own && html`<p class="problem">You are signed in with this key. You need another one to come back.</p>`}
    <${Problem} failure=${one.failure} retry=${one.reload} />
    ${made.length > 0 && (own ? html`<p class="hint">It has made ${count(made.length, "key")}, which stay. To revoke
      them with it, sign in with another key.</p>` : html`<label class="check">
        <input type="checkbox" checked=${too} onChange=${(event) => setToo(event.target.checked)} />
        <span>Also revoke the ${count(made.length, "key")} that it made</span>
      </label>
      <${WillStop} keys=${named} />
      ${made.length > mostNamed && html`<p class="hint">And ${made.length - mostNamed} more.</p>`}
      ${made.includes(me?.key.id) && html`<p class="hint">You are signed in with one of them. That one stays.</p>`}
      <p class="hint">Do that if the key was stolen. Do not if you have made new keys with it to replace it.</p>`)}
  <//>`;
}
