// One value: masked, until it is shown. Showing it is a reveal, which the API records and
// charges; this page forgets it again soon.

const shownFor = 30; // seconds

// useReveal is a value that can be shown for a while: it is hidden again when its time is
// over, when the tab is left, and when the key is not accepted any more.
function useReveal(item, onItem) {
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
  // An item that has another value by now must not show the one before.
  useEffect(hide, [item.updated_at]);
  const show = () =>
    action.run(async () => {
      const { value, ...known } = await call("GET", `secrets/${item.secret}/items/${item.id}/`);
      session.set({ user: known.last_accessed_by });
      onItem({ ...item, ...known });
      if (!document.hidden) setShown({ value: String(value), until: Date.now() + shownFor * 1000 });
    });
  return { value: shown?.value, until: shown?.until, busy: action.busy, failure: action.failure, show, hide, clear: action.clear };
}

// Shown is a value in clear, and says what that has cost.
function Shown({ item, reveal }) {
  useTick(1000);
  const { budget } = session.use();
  const odd = unseen(reveal.value);
  return html`<div class="shown">
    <pre class="value" tabindex="0" aria-label=${`Value of ${item.key}`}>${reveal.value}</pre>
    ${odd.length > 0 && html`<p class="hint">It has characters that can’t be seen: ${odd.join(", ")}.</p>`}
    <p class="hint" role="status">This was logged as your reveal${budget ? `; ${budget.left} of ${budget.limit} are left` : ""}.</p>
    <p class="hint">Hidden again in ${duration((reveal.until - Date.now()) / 1000)}, or when you leave this tab.</p>
    <div class="buttons">
      <${CopyButton} item=${item} value=${reveal.value} />
      <button onClick=${reveal.hide} aria-label=${`Hide value of ${item.key}`}>Hide</button>
    </div>
  </div>`;
}

// Spent counts down to the next reveal.
function Spent({ reveal }) {
  const until = useMemo(() => Date.now() + reveal.failure.wait * 1000, [reveal.failure]);
  useTick(1000);
  const seconds = (until - Date.now()) / 1000;
  useEffect(() => {
    const timer = setTimeout(reveal.clear, Math.max(0, until - Date.now()));
    return () => clearTimeout(timer);
  }, [until]);
  return html`<p class="spent">Nothing was revealed: your budget is spent. The next reveal is possible in <strong role="timer">${clock(seconds)}</strong>.</p>`;
}

// CopyButton copies a value, and takes it from the clipboard again after a while, where the
// browser lets a page do that.
function CopyButton({ item, value }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      notify("The browser did not let this page copy. Select the value and copy it by hand.");
      return;
    }
    notify(`Copied. The clipboard is cleared in ${shownFor} s, if the browser allows it.`);
    setTimeout(clearClipboard, shownFor * 1000, value);
  };
  return html`<button onClick=${copy} aria-label=${`Copy value of ${item.key}`}>Copy</button>`;
}

async function clearClipboard(value) {
  if (!document.hasFocus()) { // without it no browser lets a page near the clipboard
    window.addEventListener("focus", () => clearClipboard(value), { once: true });
    return;
  }
  try {
    // Where it may be read without asking, what was copied since then stays.
    const reading = await navigator.permissions.query({ name: "clipboard-read" }).catch(() => null);
    if (reading?.state === "granted" && (await navigator.clipboard.readText()) !== value) return;
    await navigator.clipboard.writeText("");
    notify("The clipboard was cleared.");
  } catch {
    notify("The value is still in the clipboard: the browser does not let this page clear it. Copy something else.");
  }
}
