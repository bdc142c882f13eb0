// One value, masked until the user shows it. To show it is a reveal, which the API records
// and charges. The page forgets the value after 30 s.

import { call } from "./api.js";
import { useAction, useTick } from "./parts.js";
import { html, useEffect, useMemo, useState } from "./preact.js";
import { notify, session } from "./session.js";
import { clock, duration, unseen } from "./text.js";

const shownFor = 30; // seconds

// useReveal shows a value for a limited time. It hides the value when the time is over, when
// the user leaves the tab, and when the API no longer accepts the key.
export function useReveal(item, onItem) {
  const [shown, setShown] = useState(null); // {value, until}
  const action = useAction();
  const hide = () => setShown(null);
  const { refused } = session.use();
  useEffect(() => {
    if (refused) hide();
  }, [refused]);
  useEffect(() => {
    if (!shown) return undefined;
    const timer = setTimeout(hide, shown.until - Date.now());
    const left = () => document.hidden && hide();
    const escape = (event) => event.key === "Escape" && !document.querySelector("dialog[open]") && hide();
    document.addEventListener("visibilitychange", left);
    window.addEventListener("pagehide", hide);
    document.addEventListener("keydown", escape);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", left);
      window.removeEventListener("pagehide", hide);
      document.removeEventListener("keydown", escape);
    };
  }, [shown]);
  // Never show an old value of an item that has changed.
  useEffect(hide, [item.updated_at]);
  const show = () =>
    action.run(async () => {
      const { value, ...known } = await call("GET", `secrets/${item.secret}/items/${item.id}/`);
      session.set({ user: known.last_accessed_by });
      onItem({ ...item, ...known });
      if (!document.hidden) setShown({ value: String(value), until: Date.now() + shownFor * 1000 });
    });
  const { busy, failure, clear } = action;
  return { value: shown?.value, until: shown?.until, busy, failure, show, hide, clear };
}

// Shown is a value in clear, with its effect on the budget.
export function Shown({ item, reveal }) {
  useTick(1000);
  const { budget } = session.use();
  const odd = unseen(reveal.value);
  return html`<div class="shown">
    <pre class="value" tabindex="0" aria-label=${`Value of ${item.key}`}>${reveal.value}</pre>
    ${odd.length > 0 && html`<p class="hint">This value has invisible characters: ${odd.join(", ")}.</p>`}
    <p class="hint" role="status">This was logged as your reveal${
      budget ? `; ${budget.left} of ${budget.limit} are left` : ""}.</p>
    <p class="hint">Hidden again in ${duration((reveal.until - Date.now()) / 1000)}, or when you leave this tab.</p>
    <div class="buttons">
      <${CopyButton} item=${item} value=${reveal.value} />
      <button onClick=${reveal.hide} aria-label=${`Hide value of ${item.key}`}>Hide</button>
    </div>
  </div>`;
}

// Spent counts down to the next reveal.
export function Spent({ reveal }) {
  const until = useMemo(() => Date.now() + reveal.failure.wait * 1000, [reveal.failure]);
  useTick(1000);
  const seconds = (until - Date.now()) / 1000;
  useEffect(() => {
    const timer = setTimeout(reveal.clear, Math.max(0, until - Date.now()));
    return () => clearTimeout(timer);
  }, [until]);
  return html`<p class="spent">The value was not revealed: your budget is spent.
    The next reveal is possible in <strong role="timer">${clock(seconds)}</strong>.</p>`;
}

// CopyButton copies a value, and clears the clipboard after 30 s if the browser allows it.
function CopyButton({ item, value }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      notify("The browser did not allow the copy. Select the value and copy it yourself.");
      return;
    }
    notify(`Copied. The clipboard is cleared in ${shownFor} s, if the browser allows it.`);
    setTimeout(clearClipboard, shownFor * 1000, value);
  };
  return html`<button onClick=${copy} aria-label=${`Copy value of ${item.key}`}>Copy</button>`;
}

async function clearClipboard(value) {
  if (!document.hasFocus()) { // browsers require the focus for access to the clipboard
    window.addEventListener("focus", () => clearClipboard(value), { once: true });
    return;
  }
  try {
    // If the page may read the clipboard without a prompt, keep text that was copied later.
    const reading = await navigator.permissions.query({ name: "clipboard-read" }).catch(() => null);
    if (reading?.state === "granted" && (await navigator.clipboard.readText()) !== value) return;
    await navigator.clipboard.writeText("");
    notify("The clipboard was cleared.");
  } catch {
    notify("The value is still in the clipboard: the browser did not allow this page to clear it. " +
      "Copy something else.");
  }
}
