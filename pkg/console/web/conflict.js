// What another client has changed since the page read an object.

import {
  all, call, count, exactly, Failure, html, itemPath, Marked, sentence, serverTime, session, Time, useEffect, useRef,
} from "./shared.js";

const reads = /\.(read|revealed|exported|compared|deployed|undeployed|drifted)$/; // they change no object
const slack = 2000; // ms
const atOnce = 50; // events

const named = (text) => html`<strong class="name"><${Marked} text=${text} /></strong>`;

// Each kind of object: how to read it without its value, where its events are, and what differs from what was shown.
const kinds = {
  item: {
    noun: "item",
    async read({ shown }) {
      const list = `secrets/${shown.secret}/items/`;
      const [found] = (await call("GET", `${list}?${new URLSearchParams({ key: shown.key })}`)).results;
      if (found?.id === shown.id) return found;
      let items = [];
      await all(list, (rows) => (items = rows));
      return items.find((item) => item.id === shown.id);
    },
    log: ({ shown }) => `${itemPath(shown)}events/?`,
    since: ({ shown }) => Date.parse(shown.updated_at) + 1,
    differences: ({ shown }, fresh) => [
      shown.key !== fresh.key && html`Its key is now ${named(fresh.key)}.`,
      shown.version !== fresh.version && `Its value is now version ${fresh.version}. It was version ${shown.version}.`,
    ],
  },
  secret: {
    noun: "secret",
    read: ({ shown }) => call("GET", `secrets/${shown.id}/`),
    log: ({ shown }) => `secrets/${shown.id}/events/?`,
    since: ({ at }) => serverTime(at) - slack,
    async differences({ shown, whole, items }, fresh) {
      return [
        shown.name !== fresh.name && html`Its name is now ${named(fresh.name)}.`,
        ...(whole ? await itemsThatDiffer(shown, items) : []),
      ];
    },
  },
  service: {
    noun: "service",
    read: ({ shown }) => call("GET", `services/${shown.id}/`),
    log: () => "events/?action=service.updated&",
    isOf: ({ shown }, event) => event.service?.id === shown.id,
    since: ({ at }) => serverTime(at) - slack,
    differences: ({ shown }, fresh) => ["image", "port", "config", "secret"].map((field) =>
      shown[field] !== fresh[field] && (field === "secret" ? "It uses another secret now."
        : html`Its ${field} is now ${named(`${fresh[field] ?? "none"}`)}.`)),
  },
};

const mostNamed = 10; // keys in one sentence

// itemsThatDiffer says how a secret's items differ from those that the page shows, if it shows any.
async function itemsThatDiffer(secret, items) {
  if (!items) return ["Its items have changed."];
  let now = [];
  await all(`secrets/${secret.id}/items/`, (rows) => (now = rows));
  const before = new Map(items.map((item) => [item.id, item]));
  const after = new Map(now.map((item) => [item.id, item]));
  const say = (found, verb) => found.length > 0 && html`${count(found.length, "item")} ${verb}:${" "}
    ${found.slice(0, mostNamed).map((item, i) => [i > 0 && ", ", named(item.key)])}${found.length > mostNamed && " …"}`;
  return [
    say(now.filter((item) => !before.has(item.id)), "added"),
    say(now.filter((item) => before.has(item.id) && before.get(item.id).etag !== item.etag), "changed"),
    say(items.filter((item) => !after.has(item.id)), "deleted"),
  ];
}

// findConflict returns what has changed since an object was shown: {noun, fresh, changes, event}. Without changes,
// nothing that the user saw is different. event is the latest change, where the key may read the log.
export async function findConflict(guard) {
  const kind = kinds[guard.kind];
  const fresh = await kind.read(guard).catch((failure) => {
    if (failure.kind !== "missing") throw failure;
  });
  if (!fresh) throw new Failure("missing", `This ${kind.noun} was deleted meanwhile. Return to the list.`);
  const changes = (await kind.differences(guard, fresh)).filter(Boolean);
  return { noun: kind.noun, fresh, changes, event: changes.length > 0 ? await latest(kind, guard) : undefined };
}

// latest is the latest change in the log. The log is a moment late: an older change is not taken for it.
async function latest(kind, guard) {
  if (!session.get().me?.permissions.includes("audit")) return undefined;
  const isIt = (event) => !reads.test(event.action) && (kind.isOf?.(guard, event) ?? true);
  for (let tries = 0; tries < 4; tries++) {
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 250));
    const page = await call("GET", `${kind.log(guard)}outcome=allowed&page_size=${atOnce}`).catch(() => undefined);
    const event = page?.results.find(isIt);
    if (!page || (event && Date.parse(event.at) >= kind.since(guard))) return event;
  }
  return undefined;
}

// Conflict says who changed what meanwhile, and lets the user choose.
export function Conflict({ conflict, retried, label, keep, take, onCancel }) {
  const { noun, changes, event } = conflict;
  const ref = useRef(null);
  useEffect(() => ref.current.focus(), [conflict]);
  const own = event && event.user?.id === session.get().me?.user.id;
  const who = !event ? "Another client" : own ? "You, or another client with your rights,"
    : event.user ? named(event.user.name ?? `…${event.user.id.slice(-6)}`) : "An operator or the system";
  return html`<div class="problem" role="alert" tabindex="-1" ref=${ref} aria-label="Changed meanwhile">
    <p>${who} changed this ${noun} meanwhile${event && html`, <${Time} at=${event.at} />`}.${" "}
      Your change was not made.${retried && " It may be your last try, whose answer was lost."}</p>
    <ul class="plain">${changes.map((change) => html`<li>${change}</li>`)}</ul>
    ${event && html`<p class="quiet" title=${exactly(event.at)}>Log: ${sentence(event).map((part) =>
      (typeof part === "string" ? part : part.name !== undefined ? named(part.name) : part.text))}.</p>`}
  </div>
  <div class="buttons">
    <button type="button" onClick=${onCancel}>Cancel</button>
    <button type="button" onClick=${take}>Take the new state</button>
    <button type="button" class="danger" onClick=${keep}>${label}</button>
  </div>`;
}
