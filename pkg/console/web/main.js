// The page as a whole: the routes to the views, the header and the notices.

import { ActivityView } from "./activity.js";
import { refreshMe } from "./api.js";
import { Countdown } from "./clipboard.js";
import { InvitationView } from "./invitation.js";
import { Later } from "./lazy.js";
import { Link, useDeadline, useReturn, useTick } from "./parts.js";
import { PeopleView, UserView } from "./people.js";
import { place, travelled } from "./place.js";
import { html, render, useState } from "./preact.js";
import { ReviewView } from "./review.js";
import { useRights } from "./rights.js";
import { SecretView } from "./secret.js";
import { SecretsView } from "./secrets.js";
import { notify, session, signOut } from "./session.js";
import { SignIn } from "./signin.js";
import { clock, count, duration } from "./text.js";
import { YouView } from "./you.js";
import style from "./style.css";
import theme from "./theme.css";

export * from "./shared.js";

function App() {
  const { key, refused, me, made } = session.use();
  const { path } = place.use();
  const signedIn = key !== null;
  const invited = made !== null || me?.key.invitation;
  // While the page asks for the key again, the views stay mounted but hidden.
  return html`
    ${signedIn && html`<${Header} invited=${invited} path=${path} />`}
    ${!signedIn && html`<${SignIn} />`}
    ${signedIn && invited && html`<${InvitationView} />`}
    ${!invited && (signedIn || refused) && html`<div class="view" hidden=${!signedIn}>
      <${View} path=${path} />
    </div>`}
    <div class="notices">
      <${Countdown} />
      <${Notice} />
    </div>
  `;
}

// Notice is the result of the last action, with a button that undoes it.
function Notice() {
  const { key, notice } = session.use();
  const [busy, setBusy] = useState(false);
  const { text, undo } = key === null ? { text: "" } : notice;
  const act = async () => {
    setBusy(true);
    await undo();
    setBusy(false);
    document.querySelector("h1")?.focus(); // the button is gone
  };
  return html`<div class="notice">
    <p role="status">${text}</p>
    ${undo && html`<button type="button" onClick=${act} disabled=${busy}>${busy ? "Undoing …" : "Undo"}</button>`}
  </div>`;
}

function View({ path }) {
  const [, where, id] = /^(\w+)(?:\/([^/]+))?$/.exec(path) ?? [];
  if (where === "secrets" && id) return html`<${SecretView} key=${id} id=${id} />`;
  if (where === "people") return id ? html`<${UserView} key=${id} id=${id} />` : html`<${PeopleView} />`;
  if (where === "activity") return html`<${ActivityView} />`;
  if (where === "compare") return html`<${Later} of="CompareView" />`;
  if (where === "bin") return html`<${Later} of="BinView" />`;
  if (where === "review") return html`<${ReviewView} />`;
  if (where === "you") return html`<${YouView} />`;
  return html`<${SecretsView} />`;
}

function Header({ invited, path }) {
  const { made } = session.use();
  const { can } = useRights();
  useReturn(() => session.get().key && refreshMe()); // the rights may have changed
  const to = (where, text, title) => html`<${Link} to=${where} title=${title}
    aria-current=${path.startsWith(where) ? "page" : undefined}>${text}<//>`;
  return html`<header>
    ${invited ? html`<span class="brand">Goblins Secrets</span>`
      : html`<${Link} to="" class="brand">Goblins Secrets<//>`}
    ${!invited && can("reveal") && html`<${Budget} />`}
    ${!invited && can("admin") && to("people", "People", "People and machines, their rights and keys")}
    ${!invited && to("activity", "Activity", can("audit") ? "Who did what" : "What you did")}
    ${!invited && to("you", "You", "Your rights and your keys")}
    <a href="../docs/" target="_blank" rel="noopener" title="The reference of the API, in another tab">API</a>
    ${!made && html`<button onClick=${() => signOut()}>Sign out</button>`}
  </header>`;
}

// Budget shows the reveals that are left, and the time until the next one comes back.
function Budget() {
  const { budget } = session.use();
  useTick(1000);
  useDeadline(budget?.until && Math.max(budget.until + 100, budget.at + 1000), refreshMe);
  if (!budget) return html`<p class="budget"></p>`;
  const seconds = (budget.until - Date.now()) / 1000;
  const wait = budget.left === 0 ? clock(seconds) : duration(seconds);
  const next = budget.until && seconds > 0 ? `; next in ${wait}` : "";
  const title = `You can reveal ${count(budget.limit, "value")} in any ${duration(budget.window)}.`;
  return html`<p class=${budget.left === 0 ? "budget spent" : "budget"} title=${title}>
    <meter min="0" max=${budget.limit} low=${budget.limit / 10} value=${budget.left} aria-hidden="true"></meter>
    <span>Reveals: ${budget.left} of ${budget.limit} left${next}</span>
  </p>`;
}

// "/" focuses the search, unless the user is typing in a field or a dialog.
function shortcuts(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, dialog")) return;
  const search = document.querySelector("[data-search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
}

// A stylesheet made by a script does not count as inline style, and saves a request.
const sheet = new CSSStyleSheet();
sheet.replaceSync(theme + style);
document.adoptedStyleSheets = [sheet];

addEventListener("popstate", travelled);
document.addEventListener("keydown", shortcuts);
// A notice disappears after 8 s, or 20 s if it can be undone, but not while the user points at it. Each new notice
// restarts the timer.
let noticeTimer;
let lastNotice = session.get().notice;
function expireNotice() {
  const { notice } = session.get();
  if (notice === lastNotice) return;
  lastNotice = notice;
  clearTimeout(noticeTimer);
  if (notice.text) noticeTimer = setTimeout(hideNotice, notice.undo ? 20000 : 8000);
}
function hideNotice() {
  const isUsed = lastNotice.undo && document.querySelector(".notice:hover, .notice:focus-within");
  if (isUsed) noticeTimer = setTimeout(hideNotice, 2000);
  else notify("");
}
session.watch(expireNotice);

render(html`<${App} />`, document.getElementById("app"));
if (session.get().key) refreshMe(); // the tab remembers it
