// The clipboard. The page keeps track of one secret in it: the last one that it copied.

import { useDeadline, useTick } from "./parts.js";
import { html } from "./preact.js";
import { notify, store } from "./session.js";
import { duration } from "./text.js";

const keptFor = 30; // seconds
const graceFor = 10; // seconds

// copied is the value that the page has put there, until it is emptied or kept.
const copied = store({ value: null, until: 0 });

const keep = () => copied.set({ value: null, until: 0 });

// copy puts a text into the clipboard, and reports whether the browser allowed it. A secret is emptied
// after a while; another text replaces it, and so ends that.
export async function copy(text, secret) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    return false;
  }
  copied.set(secret ? { value: text, until: Date.now() + keptFor * 1000 } : { value: null, until: 0 });
  return true;
}

// readable reports whether the page may read the clipboard without a prompt. Only then does it see that
// something else was copied meanwhile.
async function readable() {
  const reading = await navigator.permissions.query({ name: "clipboard-read" }).catch(() => null);
  return reading?.state === "granted";
}

async function empty() {
  const { value, until } = copied.get();
  if (value === null || Date.now() < until) return;
  if (!document.hasFocus()) { // browsers require the focus for access to the clipboard
    window.addEventListener("focus", returned, { once: true });
    return;
  }
  keep();
  try {
    if ((await readable()) && (await navigator.clipboard.readText()) !== value) return;
    await navigator.clipboard.writeText("");
    notify("Clipboard emptied");
  } catch {
    notify("The value is still in the clipboard: the browser did not allow this page to empty it. " +
      "Copy something else.");
  }
}

// returned gives a user who comes back late the time to keep what was copied elsewhere, unless the page sees that.
async function returned() {
  if (await readable()) await empty();
  else if (copied.get().value !== null) copied.set({ until: Date.now() + graceFor * 1000 });
}

// Countdown says that the clipboard is going to be emptied, and lets the user keep it.
export function Countdown() {
  const { value, until } = copied.use();
  useTick(value === null ? 0 : 1000);
  useDeadline(value === null ? 0 : until, empty);
  if (value === null) return null;
  const left = (until - Date.now()) / 1000;
  // Screen readers announce the first part alone, once.
  return html`<p class="clipboard">
    <span><span role="status">Copied.</span> ${left > 0 ? `The clipboard is emptied in ${duration(left)}.`
      : "The clipboard is emptied when you return to this page."}</span>
    <button type="button" onClick=${keep}>Keep it</button>
  </p>`;
}
