// One value, masked until the user shows it. To show or to copy it is a reveal, which the API records and
// charges. The page forgets a value after 30 s.

import { call } from "./api.js";
import { copy } from "./clipboard.js";
import { every, Problem, useAction, useDeadline, useTick } from "./parts.js";
import { html, useEffect, useMemo, useRef } from "./preact.js";
import { useRights } from "./rights.js";
import { notify, session, store } from "./session.js";
import { clock, duration, oddities } from "./text.js";

const shownFor = 30; // seconds

// shown has all values that the page shows, by item: {value, until, version}. Every view reads them here, so
// that a value disappears everywhere at once.
const shown = store({});

function hide(id) {
  if (shown.get()[id]) shown.set({ [id]: undefined });
}

function hideAll() {
  for (const id of Object.keys(shown.get())) hide(id);
}

// A value expires here, and not in the view that shows it: that may be gone.
function expire() {
  for (const [id, entry] of Object.entries(shown.get())) {
    if (entry && (Date.now() >= entry.until || document.hidden)) hide(id);
  }
}

every(1000, expire); // also when the tab is left
window.addEventListener("pagehide", hideAll);
document.addEventListener("keydown", (event) =>
  event.key === "Escape" && !document.querySelector("dialog[open]") && hideAll());
// The API no longer accepts the key, or the user has signed out.
session.watch(() => session.get().key === null && hideAll());

// useShown is the value of an item that the page shows now, if any. Another version has another.
export function useShown(item) {
  const entry = shown.use()[item.id];
  return entry && entry.version === item.version ? entry : undefined;
}

// useReveal shows a value for a limited time, or copies it without showing it. item may also be a version of one,
// with its own id and path.
export function useReveal(item, onItem) {
  const entry = useShown(item);
  const action = useAction();
  const here = useRef(true);
  useEffect(() => () => {
    here.current = false;
    hide(item.id); // the list that shows it is gone
  }, [item.id]);
  const read = async () => {
    const { key } = session.get();
    const { value, ...known } = await call("GET", item.path ?? `secrets/${item.secret}/items/${item.id}/`);
    // What else has changed is read with the list: this answer may be older.
    onItem(item.id, { last_accessed_at: known.last_accessed_at, last_accessed_by: known.last_accessed_by });
    // Too late for the view, or for the user who asked.
    const late = !here.current || session.get().key !== key;
    return late ? undefined : { value: String(value), version: known.version };
  };
  const put = (got) => {
    if (!got || document.hidden) return;
    shown.set({ [item.id]: { ...got, until: Date.now() + shownFor * 1000 } });
    setTimeout(expire, shownFor * 1000);
  };
  const show = () => action.run(async () => put(await read()));
  const take = () =>
    action.run(async () => {
      const got = entry ?? (await read());
      if (!got || (await copy(got.value, true))) return;
      put(got); // it is charged already
      notify("The browser did not allow the copy. Select the value and copy it yourself.");
    });
  const { busy, failure, clear } = action;
  return { value: entry?.value, until: entry?.until, busy, failure, show, take, hide: () => hide(item.id), clear };
}

// RevealButtons show and copy a value.
export function RevealButtons({ item, reveal }) {
  const { budget } = session.use();
  const { can } = useRights();
  if (!can("reveal")) return null;
  const spent = budget?.left === 0 && budget.until > Date.now();
  const isShown = reveal.value !== undefined;
  return html`<div class="buttons">
    ${!isShown && html`<span class="mask" aria-label="Value is hidden" role="img">••••••••</span>
      <button onClick=${reveal.show} disabled=${reveal.busy || spent}
        aria-label=${`Show value of ${item.key}`}>${reveal.busy ? "Revealing …" : "Show"}</button>`}
    <button onClick=${reveal.take} disabled=${reveal.busy || (spent && !isShown)}
      aria-label=${`Copy value of ${item.key}`}>Copy</button>
  </div>`;
}

// Revealed is what a reveal has led to: the value, or why there is none.
export const Revealed = ({ item, reveal }) => html`
  ${reveal.value !== undefined && html`<${Shown} item=${item} reveal=${reveal} />`}
  ${reveal.failure?.kind === "throttled" ? html`<${Spent} reveal=${reveal} />`
    : html`<${Problem} failure=${reveal.failure} />`}`;

// Oddities says what can't be seen in a value.
export const Oddities = ({ value }) => oddities(value).map((text) => html`<p class="hint odd">${text}</p>`);

// Shown is a value in clear, with its effect on the budget.
function Shown({ item, reveal }) {
  useTick(1000);
  const { budget } = session.use();
  return html`<div class="shown">
    <pre class="value" translate=${false} tabindex="0" aria-label=${`Value of ${item.key}`}>${reveal.value}</pre>
    <${Oddities} value=${reveal.value} />
    <p class="hint" role="status">This was logged as your reveal${
      budget ? `; ${budget.left} of ${budget.limit} are left` : ""}.</p>
    <div class="buttons">
      <p class="hint grow">Hidden again in ${
        duration((reveal.until - Date.now()) / 1000)}, or when you leave this tab.</p>
      <button onClick=${reveal.hide} aria-label=${`Hide value of ${item.key}`}>Hide</button>
    </div>
  </div>`;
}

// Spent counts down to the next reveal.
function Spent({ reveal }) {
  const until = useMemo(() => Date.now() + reveal.failure.wait * 1000, [reveal.failure]);
  useTick(1000);
  useDeadline(until, reveal.clear);
  const seconds = (until - Date.now()) / 1000;
  return html`<p class="spent">The value was not revealed: your budget is spent.
    The next reveal is possible in <strong role="timer">${clock(seconds)}</strong>.</p>`;
}
