// Activity: the log of an account, a secret, an item or a user, newest first.

import { call, download } from "./api.js";
import { Chart } from "./chart.js";
import { asFailure, every, Link, Marked, Problem, saveFile, Time, useAction, useList, useTitle } from "./parts.js";
import { place, refine } from "./place.js";
import { html, useEffect, useRef, useState } from "./preact.js";
import { useRights } from "./rights.js";
import { labels, sentence } from "./sentence.js";
import { notify, session } from "./session.js";
import { byName, count, exactly } from "./text.js";

const pageSize = 50;
const interval = 10000; // ms between polls

const outcomes = { allowed: "Allowed", denied: "Refused", throttled: "Throttled" };
const spans = { 1: "Last 24 hours", 7: "Last 7 days", 30: "Last 30 days", 90: "Last 90 days" };

// activity is the place of the log with some filters.
export const activity = (filters) => {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value)).toString();
  return query ? `activity?${query}` : "activity";
};

// request is the path of the API for filters. Days are counted back from now.
export function request({ secret, item, days, ...filters }, more = {}) {
  const at = item ? `secrets/${secret}/items/${item}/events/` : secret ? `secrets/${secret}/events/` : "events/";
  const since = days && { since: new Date(Date.now() - days * 86400000).toISOString() };
  const query = new URLSearchParams({ ...filters, ...since, ...more });
  return `${at}?${query}`;
}

// given are the filters of an address. It may come from anyone, and ids become parts of paths.
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const forms = {
  action: /^[a-z]+\.[a-z]+$/, outcome: /^[a-z]+$/, user: uuid, key: uuid, secret: uuid, item: uuid, days: /^\d{1,3}$/,
};
const given = (query) => Object.fromEntries([...new URLSearchParams(query)].filter(([name, value]) =>
  Object.hasOwn(forms, name) && forms[name].test(value)));

export function ActivityView() {
  const { query } = place.use();
  const { me, can } = useRights();
  const { signIns } = session.use();
  const chosen = given(query);
  const all = can("audit");
  useTitle("Activity");
  if (!me) return html`<main key="waiting"><h1 tabindex="-1">Activity</h1><p class="quiet">Loading …</p></main>`;
  const filters = all ? chosen : { ...chosen, user: "me" };
  return html`<main key="activity">
    <div class="bar">
      <h1 tabindex="-1">${all ? "Activity" : "Your activity"}</h1>
      ${all && html`<${Link} to="review" title="What to look at from time to time">Review<//>`}
    </div>
    <${Filters} filters=${chosen} all=${all} />
    <${Chart} key=${`chart ${signIns} ${query}`} filters=${filters} />
    <${Log} key=${`log ${signIns} ${query}`} filters=${filters} />
  </main>`;
}

// Filters are chips, which can be taken away, and the choices of more.
function Filters({ filters, all }) {
  const { can } = useRights();
  const users = useList(all ? "users/" : null);
  const secrets = useList(can("list") && filters.secret ? "secrets/" : null);
  const items = useList(can("list") && filters.item ? `secrets/${filters.secret}/items/` : null);
  const to = (change) => refine(activity({ ...filters, ...change }));
  const nameIn = (list, id, name = "name") => list.data.find((one) => one.id === id)?.[name];
  const tail = (id) => `…${id.slice(-6)}`;
  const chips = {
    item: (id) => ["Item", nameIn(items, id, "key") ?? tail(id), { item: "" }],
    secret: (id) => ["Secret", nameIn(secrets, id) ?? tail(id), { secret: "", item: "" }],
    user: (id) => ["By", nameIn(users, id) ?? tail(id), { user: "" }],
    key: (id) => ["With the key", tail(id), { key: "" }],
    action: (action) => ["What", labels[action] ?? action, { action: "" }],
    outcome: (outcome) => ["Outcome", outcomes[outcome] ?? outcome, { outcome: "" }],
    days: (days) => ["When", spans[days] ?? `Last ${count(Number(days) || 0, "day")}`, { days: "" }],
  };
  const shown = Object.entries(chips).filter(([name]) => filters[name] && (all || name !== "user"));
  const choose = (name, label, options) => html`<label class="order">${label} <select
    name=${name} value=${filters[name] ?? ""}
    onChange=${(event) => to({ [name]: event.target.value })}>
    <option value="">Any</option>
    ${options.map(([value, text]) => html`<option value=${value}>${text}</option>`)}
  </select></label>`;
  return html`<section aria-label="Filters" class="filters">
    <div class="buttons">
      ${all && choose("user", "By", [...users.data].sort(byName).map((user) => [user.id, user.name]))}
      ${choose("action", "What", Object.entries(labels))}
      ${choose("outcome", "Outcome", Object.entries(outcomes))}
      ${choose("days", "When", Object.entries(spans))}
    </div>
    ${shown.length > 0 && html`<div class="buttons" role="group" aria-label="Chosen filters">
      ${shown.map(([name, chip]) => {
        const [label, text, without] = chip(filters[name]);
        return html`<button class="chip" onClick=${() => to(without)}
          aria-label=${`Remove the filter ${label}: ${text}`}>${label}: <bdi>${text}</bdi>${" "}
          <span aria-hidden="true">×</span></button>`;
      })}
      ${shown.length > 1 && html`<button onClick=${() => refine("activity")}>Remove all</button>`}
    </div>`}
  </section>`;
}

const newestFirst = (a, b) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);

// put adds events to others; the row of a minute's refused tries may have grown.
const put = (rows, more) =>
  [...new Map([...rows, ...more].map((event) => [event.id, event])).values()].sort(newestFirst);

// cursorOf is the cursor of a link, whose host may differ from the page's.
const cursorOf = (link) => link && new URL(link).searchParams.get("cursor");

// useEvents reads a log: {rows, waiting, next, failure, live, ...}. New events are waiting while held is set, so
// that nothing moves that the user points at.
function useEvents(filters, held) {
  const [state, setState] = useState({ rows: [], waiting: [], next: null, done: false, failure: null, live: false });
  const loading = useRef(null); // what is being loaded; nothing else is, meanwhile
  const gone = useRef(false);
  const isHeld = useRef(held);
  isHeld.current = held;
  const page = (cursor, since) => call("GET", request(filters, {
    page_size: pageSize, ...(cursor && { cursor }), ...(since && { since }),
  }));
  const change = (by) => gone.current || setState(by);
  const load = async (act, failed) => {
    while (loading.current) await loading.current;
    if (gone.current || !session.get().key) return;
    loading.current = act().catch((error) => change((s) => ({ ...s, ...failed(asFailure(error)) })));
    await loading.current;
    loading.current = null;
  };
  // The first page may be empty and go on, as any other.
  const first = () => load(async () => {
    let { results, next } = await page();
    for (let pages = 1; results.length === 0 && next && pages < 5; pages++) {
      ({ results, next } = await page(cursorOf(next)));
    }
    const rows = put([], results);
    change((s) => ({ ...s, rows, next: cursorOf(next), done: true, failure: null, live: true }));
  }, (failure) => ({ failure }));
  const older = () => load(async () => {
    const { results, next } = await page(state.next);
    change((s) => ({ ...s, rows: put(s.rows, results), next: cursorOf(next), failure: null }));
  }, (failure) => ({ failure }));
  // A poll reads from the minute before the newest event on: a row of refused tries stands at the beginning of its
  // minute, and grows.
  const poll = () => document.hidden || loading.current || load(async () => {
    const [newest] = [...state.rows, ...state.waiting].sort(newestFirst);
    const since = newest && new Date(Math.floor(Date.parse(newest.at) / 60000 - 1) * 60000).toISOString();
    let { results, next } = await page(null, since);
    for (let pages = 1; since && next && pages < 5; pages++) {
      const more = await page(cursorOf(next), since);
      results = [...results, ...more.results];
      next = more.next;
    }
    const isGap = since && next; // too many: begin again
    change((s) => {
      const seen = new Set(s.rows.map((event) => event.id));
      const fresh = results.filter((event) => !seen.has(event.id));
      const grown = results.filter((event) => seen.has(event.id));
      if (isGap) return { ...s, rows: put([], results), waiting: [], next: cursorOf(next), live: true };
      return isHeld.current ? { ...s, live: true, rows: put(s.rows, grown), waiting: put(s.waiting, fresh) }
        : { ...s, live: true, rows: put(s.rows, [...s.waiting, ...results]), waiting: [] };
    });
  }, () => ({ live: false }));
  const latest = useRef(poll);
  latest.current = state.done ? poll : first;
  useEffect(() => {
    gone.current = false;
    first();
    const stop = every(interval, () => latest.current());
    return () => {
      gone.current = true;
      stop();
    };
  }, []);
  const show = () => setState((s) => ({ ...s, rows: put(s.rows, s.waiting), waiting: [] }));
  return { ...state, older, first, show };
}

function Log({ filters }) {
  const [held, setHeld] = useState(false);
  const log = useEvents(filters, held);
  const { rows, waiting, next, done, failure, live } = log;
  const pointing = { onPointerEnter: () => setHeld(true), onPointerLeave: () => setHeld(false),
    onFocusIn: () => setHeld(true), onFocusOut: () => setHeld(false) };
  return html`<section aria-labelledby="events">
    <div class="bar">
      <h2 id="events">Events</h2>
      <p class="quiet" role="status">${done && (live ? "Live: new events appear here."
        : "Not live: the API can’t be reached. It is tried again.")}</p>
      <${Csv} filters=${filters} />
    </div>
    <${Problem} failure=${failure} retry=${done ? log.older : log.first} />
    ${!done && !failure && html`<p class="quiet">Loading …</p>`}
    ${waiting.length > 0 &&
      html`<p><button onClick=${log.show}>Show ${count(waiting.length, "new event")}</button></p>`}
    ${done && rows.length === 0 &&
      html`<p class="empty">${next ? "Nothing was found so far." : "Nothing was done that matches."}</p>`}
    ${rows.length > 0 && html`<ol class="rows events" aria-label="Events" ...${pointing}>
      ${rows.map((event) => html`<${EventRow} key=${event.id} event=${event} />`)}
    </ol>`}
    ${next && html`<p><button onClick=${log.older}>Show older events</button></p>`}
    ${done && !next && rows.length > 0 && html`<p class="quiet">${
      count(rows.length, "event")}. There is nothing older.</p>`}
  </section>`;
}

// listed is what a change gave or replaced, by field.
const listed = (given) =>
  given && Object.entries(given).map(([field, value]) => `${field}: ${value || "none"}`).join("; ");

function EventRow({ event }) {
  const refused = event.outcome !== "allowed";
  const parts = sentence(event).map((part) => (typeof part === "string" ? part
    : part.name !== undefined ? html`<strong class="name"><${Marked} text=${part.name} /></strong>` : part.text));
  const details = [
    ["At", exactly(event.at)], ["First, last", refused && `${exactly(event.first_at)}, ${exactly(event.last_at)}`],
    ["Key", event.key?.name ?? event.key?.id], ["Version", event.version], ["Client", event.user_agent],
    ["Request", event.request_id],
    ["Was", listed(event.from)], ["Is", listed(event.to)],
  ].filter(([, value]) => value);
  return html`<li class=${refused ? "row event refused" : "row event"} data-event=${event.id}>
    <div class="grow">
      ${refused && html`<span class="badge failed">${outcomes[event.outcome]}</span> `}
      ${parts}, <${Time} at=${event.last_at ?? event.at} />${event.source_ip && `, from ${event.source_ip}`}
      <details><summary class="quiet">Details</summary><dl class="facts">
        ${details.map(([name, value]) => html`<dt>${name}</dt><dd><bdi translate=${false}>${value}</bdi></dd>`)}
      </dl></details>
    </div>
  </li>`;
}

// Csv saves the log with the same filters as a file: all pages, with one header.
function Csv({ filters }) {
  const action = useAction();
  const [done, setDone] = useState(0);
  const gone = useRef(false);
  useEffect(() => () => (gone.current = true), []);
  const save = async () => {
    const parts = [];
    let lines = 0;
    const { signIns } = session.get();
    const isOver = () => gone.current || session.get().signIns !== signIns; // another key is another log
    await download(request(filters, { format: "csv", page_size: 1000 }), isOver, (text) => {
      parts.push(parts.length === 0 ? text : text.slice(text.indexOf("\r\n") + 2));
      setDone((lines += text.split("\r\n").length - 2));
    });
    if (isOver()) return;
    saveFile(`activity-${new Date().toISOString().slice(0, 10)}.csv`, "text/csv", parts);
    notify(`${count(lines, "line")} saved`);
  };
  return html`<div class="buttons">
    <button onClick=${() => action.run(save)} disabled=${action.busy}>${
      action.busy ? `Reading, ${count(done, "line")} …` : "Download CSV"}</button>
  </div>
  <${Problem} failure=${action.failure} />`;
}

// WhoRead leads to who has revealed an item.
export function WhoRead({ item }) {
  const { can } = useRights();
  if (!can("audit")) return null;
  const to = activity({ secret: item.secret, item: item.id, action: "item.revealed" });
  return html` · <${Link} to=${to} aria-label=${`Who read this: ${item.key}`}>Who read this<//>`;
}
