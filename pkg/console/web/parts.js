// Components and hooks that the views share.

import { all, call, Failure, madeBetween } from "./api.js";
import { Countdown } from "./clipboard.js";
import { Later } from "./lazy.js";
import { hold, navigate } from "./place.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./preact.js";
import { session } from "./session.js";
import { exactly, marked, sentences, since, until } from "./text.js";
import { resting as rest } from "./undo.js";

const wakeUps = [[document, "visibilitychange"], [window, "focus"], [window, "pageshow"]];

// every calls act each interval milliseconds and each time the page wakes up, until the returned function is
// called. Timers stop while a machine sleeps.
export function every(interval, act) {
  const timer = setInterval(act, interval);
  for (const [target, event] of wakeUps) target.addEventListener(event, act);
  return () => {
    clearInterval(timer);
    for (const [target, event] of wakeUps) target.removeEventListener(event, act);
  };
}

// useTick redraws a component every interval milliseconds; 0 means never.
export function useTick(interval) {
  const [, redraw] = useState(0);
  useEffect(() => (interval ? every(interval, () => redraw((n) => n + 1)) : undefined), [interval]);
}

// useDeadline calls act once the clock has reached a time in milliseconds; 0 or undefined means never. It
// compares clocks: a timer would count only the time that the machine was awake.
export function useDeadline(until, act) {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    if (!until) return undefined;
    let over = false;
    const check = () => {
      if (over || Date.now() < until) return;
      over = true;
      latest.current();
    };
    const timer = setTimeout(check, until - Date.now());
    const stop = every(1000, check);
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [until]);
}

// useTitle names what the page shows in the browser's tab and history.
export function useTitle(title) {
  useEffect(() => {
    const before = document.title;
    document.title = `${title} · Goblins Secrets`;
    return () => (document.title = before); // a sign-in leaves the page as it was
  }, [title]);
}

// useReturn calls act each time the tab becomes visible: other clients may have made changes.
export function useReturn(act) {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const listener = () => document.hidden || latest.current();
    document.addEventListener("visibilitychange", listener);
    return () => document.removeEventListener("visibilitychange", listener);
  }, []);
}

// useAction runs functions that can fail, one at a time: {busy, failure, run, clear}. run
// returns whether the function succeeded. what describes what it does. If the answer to an earlier try of the same
// was lost, it is unknown what that has done: the function then gets mine, which reports whether an object may be
// its work. onLost is called when an answer is lost.
export function useAction(onLost) {
  const [state, setState] = useState({ busy: false, failure: null });
  const running = useRef(false);
  const lost = useRef(null); // {what, from, to}, in ms
  const run = async (act, what) => {
    if (running.current) return false;
    running.current = true;
    setState({ busy: true, failure: null });
    let failure = null;
    const earlier = lost.current?.what === what ? lost.current : null;
    const from = earlier?.from ?? Date.now();
    try {
      await act(earlier && ((object) => madeBetween(object, earlier)));
    } catch (error) {
      failure = asFailure(error);
    }
    running.current = false;
    if (failure?.kind === "broken") lost.current = { what, from, to: Date.now() };
    setState({ busy: false, failure });
    if (failure?.kind === "broken") onLost?.();
    return failure === null;
  };
  return { ...state, run, clear: () => setState({ busy: false, failure: null }) };
}

export const asFailure = (error) =>
  error instanceof Failure ? error
    : new Failure("broken", `The page failed (${error.message}). Reload it and try again.`);

// useLoad keeps the answer for a path of the API; null is nothing to load. at is when it was asked for. It reloads on
// request, after a sign-in, after an undo, and when the tab becomes visible. The old data stays until new data
// arrives, except after a change of the key, which may belong to another account.
function useLoad(path, load, empty) {
  const { key, signIns, undone } = session.use();
  const known = useRef(undone);
  const [state, setState] = useState({ data: empty, done: false, failure: null, at: 0 });
  const run = useRef({ number: 0, busy: false, done: false });
  const reload = async () => {
    const mine = ++run.current.number; // answers to earlier runs are stale
    run.current.busy = true;
    const at = Date.now();
    try {
      await load((data, done) => {
        // A partial list never replaces a complete one.
        if (mine === run.current.number && (done || !run.current.done)) setState({ data, done, failure: null, at });
        if (mine === run.current.number && done) run.current.done = true;
      });
    } catch (error) {
      if (mine === run.current.number) setState((s) => ({ ...s, failure: asFailure(error) }));
    }
    if (mine === run.current.number) run.current.busy = false;
  };
  useEffect(() => {
    if (key && path) reload();
    return () => {
      run.current = { number: run.current.number + 1, busy: false, done: false };
      setState({ data: empty, done: false, failure: null, at: 0 });
    };
  }, [path, signIns]);
  useReturn(() => session.get().key && path && reload());
  useEffect(() => {
    if (known.current !== undone && key && path) reload();
    known.current = undone;
  }, [undone]);
  // Show changes at once. A run that started earlier may miss them, so start another one.
  const change = (by) => {
    setState((s) => ({ ...s, data: by(s.data) }));
    if (run.current.busy) reload();
  };
  return { ...state, reload, change };
}

export const useList = (path) => useLoad(path, (onPage) => all(path, onPage), []);
export const useOne = (path) => useLoad(path, async (onData) => onData(await call("GET", path), true), null);

const step = 100; // rows

// useRows draws a row for each element of a list: again only if the element has changed, and the rows of a long
// list in steps, so that the page answers meanwhile.
export function useRows(list, draw) {
  const drawn = useRef(new Map());
  const [most, setMost] = useState(step);
  const more = most < list.length;
  useEffect(() => {
    const timer = more && setTimeout(setMost, 0, most + step);
    return () => clearTimeout(timer);
  }, [more, most]);
  const rows = new Map(list.slice(0, most).map((one) => [one, drawn.current.get(one) ?? draw(one)]));
  drawn.current = rows;
  return [...rows.values()];
}

// put, merge and drop return changes of a list of objects with ids. merge adds no object: the answer to a read
// may be older than a deletion.
export const put = (...things) => (rows) => {
  const changed = new Map(things.map((thing) => [thing.id, thing]));
  const known = rows.map((row) => {
    const thing = changed.get(row.id) ?? row;
    changed.delete(row.id);
    return thing;
  });
  return [...known, ...changed.values()];
};
export const merge = (id, fields) => (rows) => rows.map((row) => (row.id === id ? { ...row, ...fields } : row));
export const drop = (id) => (rows) => rows.filter((r) => r.id !== id);

// Link leads to a place in the console: "" is the list of secrets.
export function Link({ to, children, ...more }) {
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return; // the browser opens another tab
    event.preventDefault();
    navigate(to);
  };
  const { pathname, search } = new URL(to, document.baseURI);
  return html`<a href=${pathname + search} onClick=${follow} ...${more}>${children}</a>`;
}

// Problem shows a failure. If retry is given, it offers to try again.
export function Problem({ failure, retry }) {
  if (!failure || failure.kind === "session") return null;
  const others = Object.entries(failure.fields).filter(([name]) => !shownFields.includes(name));
  return html`<div class="problem" role="alert">
    <p>${failure.message}</p>
    ${others.map(([name, messages]) => html`<p>${
      name === "non_field_errors" ? "" : `${name}: `}${sentences(messages)}</p>`)}
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

const shownFields = [ // their errors are shown beside them
  "name", "key", "value", "image", "port", "config", "email", "permissions", "secrets", "reveal_limit", "expires_at",
];

// messagesOf is the API's messages of a field in one text, if there are any.
export const messagesOf = (failure, name) => failure?.fields?.[name] && sentences(failure.fields[name]);

let ids = 0;
export const useId = () => useMemo(() => `f${++ids}`, []);

// plain is what a field has so that the browser neither stores, corrects nor translates its text, nor sends it to
// a spelling service. These must be attributes: most are boolean as properties, of which "off" is true.
const plain = {
  autocomplete: "off", autocapitalize: "off", autocorrect: "off", spellcheck: "false", translate: "no",
  "data-1p-ignore": "", "data-lpignore": "true", // password managers, which would offer to store a value
};

function usePlain(ref) {
  useLayoutEffect(() => {
    for (const [name, value] of Object.entries(plain)) ref.current.setAttribute(name, value);
  }, []);
}

// Field is a labelled input, or a text area if lines is set, with the API's error messages. children stand
// below it.
export function Field({ label, hint, name, value, onInput, failure, lines, type = "text", focus, children, ...more }) {
  const id = useId();
  const ref = useRef(null);
  usePlain(ref);
  const messages = failure?.fields?.[name];
  // At once, so that it takes the focus from no other field later. A dialog that opens honours autofocus.
  useLayoutEffect(() => {
    if (focus) ref.current.focus();
  }, []);
  useEffect(() => {
    if (messages) ref.current.focus();
  }, [messages]);
  const about = [hint && `${id}-hint`, messages && `${id}-error`].filter(Boolean).join(" ");
  const attributes = {
    id, ref, name, value, autofocus: focus, onInput: (event) => onInput(event.target.value),
    "aria-invalid": messages ? "true" : undefined, "aria-describedby": about || undefined, ...more,
  };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    ${lines
      ? html`<textarea rows=${lines} ...${attributes}></textarea>`
      : html`<input type=${type} ...${attributes} />`}
    ${messages && html`<p class="wrong" id="${id}-error">${sentences(messages)}</p>`}
    ${children}
  </div>`;
}

// Marked is a name as it is stored: white space is kept, and what can't be seen is marked.
export function Marked({ text }) {
  return html`<bdi translate=${false}>${marked(text).map((part) =>
    part.text ?? html`<span class="unseen" title="This character can't be seen">${part.unseen}</span>`)}</bdi>`;
}

// Menu has the actions that a row does not show. It closes after a choice, on Esc and on a click elsewhere.
export function Menu({ label, children }) {
  const ref = useRef(null);
  useEffect(() => {
    const close = (event) => {
      const { current: menu } = ref;
      if (!menu.open) return;
      if (event.type === "keydown" ? event.key === "Escape" : !menu.contains(event.target)) menu.open = false;
      if (event.type === "keydown" && event.key === "Escape") menu.firstElementChild.focus();
    };
    document.addEventListener("click", close);
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("click", close);
      document.removeEventListener("keydown", close);
    };
  }, []);
  // Before the choice: a dialog that it opens returns the focus here.
  const chosen = (event) => {
    if (!event.target.closest("button")) return;
    ref.current.open = false;
    ref.current.firstElementChild.focus();
  };
  return html`<details class="menu" ref=${ref}>
    <summary aria-label=${label} title="More actions">…</summary>
    <div class="choices" onClickCapture=${chosen}>${children}</div>
  </details>`;
}

// Dialog is a modal dialog. Esc closes it, unless onClose is missing. While the page asks
// for the key again, the dialog is hidden and keeps its state.
export function Dialog({ title, onClose, wide, children }) {
  const ref = useRef(null);
  const gone = useRef(false);
  const id = useId();
  const { refused } = session.use();
  useLayoutEffect(() => {
    if (refused) ref.current.close();
    else if (!ref.current.open) ref.current.showModal();
  }, [refused]);
  // Closing returns the focus to the element that opened the dialog; removal does not.
  useLayoutEffect(() => () => {
    gone.current = true;
    ref.current.close();
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose?.();
  };
  // Browsers close a dialog on a second Esc without a cancel event.
  const closed = () => {
    if (gone.current || session.get().refused) return;
    onClose?.();
    requestAnimationFrame(() => { // it stays, for example to ask before it discards text
      if (!gone.current && !session.get().refused && !ref.current.open) ref.current.showModal();
    });
  };
  return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-labelledby=${id} onCancel=${cancel} onClose=${closed}>
    <h2 id=${id}>${title}</h2>
    ${children}
    <${Countdown} />
  </dialog>`;
}

// useDiscard asks before a dialog with typed text is closed, or the page left: {asking, close, back}. While the
// dialog is busy it stays: its answer would otherwise be shown nowhere.
export function useDiscard(dirty, busy, onClose) {
  const [asking, setAsking] = useState(false);
  useLayoutEffect(() => {
    if (!dirty && !busy) return undefined;
    const leaving = (event) => event.preventDefault(); // the browser asks
    window.addEventListener("beforeunload", leaving);
    const free = hold(() => !busy && setAsking(true));
    return () => {
      window.removeEventListener("beforeunload", leaving);
      free();
    };
  }, [dirty, busy]);
  const close = () => {
    if (busy) return;
    if (dirty) setAsking(!asking); // Esc while it asks goes back
    else onClose();
  };
  return { asking, close, back: () => setAsking(false) };
}

// Discard is the question of useDiscard, in place of a dialog's buttons.
export function Discard({ discard, onClose, question = "Discard what you have entered?", keep = "Keep editing",
  lose = "Discard",
}) {
  const ref = useRef(null);
  useEffect(() => ref.current.focus(), []);
  return html`<div class="buttons" role="alert">
    <p class="grow">${question}</p>
    <button type="button" ref=${ref} onClick=${discard.back}>${keep}</button>
    <button type="button" class="danger" onClick=${onClose}>${lose}</button>
  </div>`;
}

// saveFile has the browser save a file.
export function saveFile(name, type, parts) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// saves submits a form on Ctrl+Enter, also from a text area.
export function saves(event) {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.currentTarget.requestSubmit();
}

// useGuard has changes rest on what the user has seen: see resting. If another client has changed that meanwhile, it
// is a conflict, and the user decides: nothing is overwritten unseen.
function useGuard(guard) {
  const resting = useRef({ ...guard });
  const [conflict, setConflict] = useState(null);
  const send = async (act) => {
    try {
      return await rest(resting.current, act);
    } catch (failure) {
      if (failure.conflict) setConflict(failure.conflict);
      throw failure;
    }
  };
  const keep = () => {
    resting.current.shown = conflict.fresh;
    setConflict(null);
  };
  return { conflict, send, keep };
}

// FormDialog is a dialog with fields. Its submit button runs act and closes it on success. dirty means that
// closing it would lose what the user has entered, what describes the change: see useAction. A change of an object
// has a guard, {kind, shown, take, ...}, where take shows its new state: see resting. act then also gets the tag to
// send and the object that has it. If act returns a function, that is called once the dialog is closed, such as to
// open another: the focus then returns from there.
export function FormDialog({ title, submit, danger, ready = true, dirty = false, what, action, act, guard, onClose,
  children,
}) {
  const discard = useDiscard(dirty, action.busy, onClose);
  const { conflict, send, keep } = useGuard(guard);
  const retried = useRef(false);
  const run = async () => {
    let next;
    const sent = await action.run(async (mine) => {
      retried.current = Boolean(mine);
      next = await send((...on) => act(mine, ...on));
    }, what);
    if (!sent) return;
    onClose();
    if (typeof next === "function") next();
  };
  const onSubmit = async (event) => {
    event.preventDefault();
    if (ready && !conflict) await run();
  };
  const overwrite = () => {
    keep();
    run();
  };
  const take = () => {
    onClose();
    guard.take(conflict.fresh);
  };
  return html`<${Dialog} title=${title} onClose=${discard.close}>
    <form onSubmit=${onSubmit} onKeyDown=${saves}>
      ${children}
      ${!conflict && html`<${Problem} failure=${action.failure} />`}
      ${discard.asking ? html`<${Discard} discard=${discard} onClose=${onClose} />`
        : conflict ? html`<${Later} of="Conflict" conflict=${conflict} retried=${retried.current} take=${take}
          label=${danger ? `${submit} anyway` : "Keep mine"} keep=${overwrite} onCancel=${discard.close} />`
        : html`<div class="buttons">
        <button type="button" onClick=${discard.close} disabled=${action.busy}>Cancel</button>
        <button type="submit" class=${danger ? "danger" : "primary"}
          disabled=${!ready || action.busy}>${action.busy ? "Working …" : submit}</button>
      </div>`}
    </form>
  <//>`;
}

// reach scrolls to a new row, and moves the focus to its first button, once it is drawn: long lists are in steps.
export function reach(selector, tries = 40) {
  const row = document.querySelector(selector);
  if (row && !document.querySelector("dialog[open]")) {
    row.scrollIntoView({ block: "center" });
    row.querySelector("button")?.focus();
  } else if (tries > 0) {
    setTimeout(reach, 50, selector, tries - 1);
  }
}

// Time shows a time of the API relative to now. Its tooltip shows the exact time.
export function Time({ at }) {
  useTick(30000);
  const words = Date.parse(at) > Date.now() + 1000 * 60 ? until(at) : since(at);
  return html`<time datetime=${at} title=${exactly(at)}>${words}</time>`;
}

export const statuses = {
  pending: ["Pending", "Services use this secret, but it has not been delivered to them yet."],
  deploying: ["Deploying", "Services still use this secret as it was before the last changes."],
  failed: ["Failed", "The last delivery to the services failed. It is retried automatically. " +
    "Ask your administrator for the reason."],
  ready: ["Ready", "Services have this secret as it is now."],
};

// isDelivered reports whether a secret is or should be at the services that use it.
const isDelivered = (secret) => secret.status !== "ready" || secret.bundle !== null;

// Status shows whether services have the current state of a secret, if they should have it.
export function Status({ secret }) {
  if (!isDelivered(secret)) return null;
  const [label, meaning] = statuses[secret.status] ?? [secret.status, ""];
  return html`<span class="badge ${secret.status}" title=${meaning}>${label}</span>`;
}

// settled reports whether a secret's status is unlikely to change within seconds.
export const settled = (secret) => secret.status !== "pending" && secret.status !== "deploying";

// useStatus polls secrets that are being deployed until they are settled, with backoff.
export function useStatus(secrets, onSecret) {
  const waiting = secrets.filter((s) => !settled(s)).map((s) => s.id).join(" ");
  const latest = useRef(onSecret);
  latest.current = onSecret;
  useEffect(() => {
    if (!waiting) return undefined;
    let timer;
    const ask = async (delay) => {
      if (!document.hidden && session.get().key) {
        for (const id of waiting.split(" ").slice(0, 10)) {
          try {
            const { status, deploy_successful, bundle } = await call("GET", `secrets/${id}/`);
            latest.current(id, { status, deploy_successful, bundle });
          } catch {
            // the next poll asks again
          }
        }
      }
      timer = setTimeout(ask, delay, Math.min(delay * 1.5, 15000));
    };
    timer = setTimeout(ask, 700, 1000);
    return () => clearTimeout(timer);
  }, [waiting]);
}

// Search filters a list. "/" focuses it from anywhere, Enter opens the first match, and
// Esc clears it.
export function Search({ label, value, onInput, onEnter }) {
  const ref = useRef(null);
  usePlain(ref);
  const submit = (event) => {
    event.preventDefault();
    onEnter?.();
  };
  const keys = (event) => {
    if (event.key === "Escape") {
      onInput("");
      event.target.blur();
    }
  };
  return html`<form class="search" role="search" onSubmit=${submit}>
    <input type="search" aria-label=${label} placeholder="${label}  ( / )" value=${value}
      aria-keyshortcuts="/" data-search ref=${ref}
      onInput=${(event) => onInput(event.target.value)} onKeyDown=${keys} />
  </form>`;
}
