// Review: what an account should look at, with what to do next.

import { activity } from "./activity.js";
import { call } from "./api.js";
import { asFailure, Link, Marked, Problem, Time, useTitle } from "./parts.js";
import { html, useEffect, useRef, useState } from "./preact.js";
import { useRights } from "./rights.js";
import { MayNot } from "./secrets.js";
import { session } from "./session.js";
import { count } from "./text.js";

const name = (object) => html`<strong class="name"><${Marked}
  text=${object.name ?? object.key ?? `…${object.id.slice(-6)}`} /></strong>`;
const at = (time, before, never) => (time ? html`${before} <${Time} at=${time} />` : never);

// Each check: its title, what to do, the sentence of a finding, and where to do it, with the permission for that.
const checks = {
  refused_most: ["Refused most in the last week", "Ask what they tried. Give them the right, or revoke their keys.",
    (f) => html`${name(f.user)}: refused ${count(f.tries, "time")}`,
    (f) => [["audit", activity({ user: f.user.id, days: 7 }), "See what they tried"]]],
  user_with_admin: ["Users with admin", "Keep them few. Take the permission from those who don’t need it.",
    (f) => name(f.user), (f) => [["admin", `people/${f.user.id}`, "Change their rights"]]],
  key_unused: ["Keys that are not used", "Not for 90 days. Revoke them.",
    (f) => html`${name(f.key)} of ${name(f.user)}, ${at(f.at, "last used", "never used")}`,
    (f) => [["admin", `people/${f.user.id}`, "Revoke it"]]],
  key_never_expires: ["Keys that never expire", "Replace them by keys with an end, where that is possible.",
    (f) => html`${name(f.key)} of ${name(f.user)}, ${at(f.at, "last used", "never used")}`,
    (f) => [["admin", `people/${f.user.id}`, "Set an end"]]],
  secret_unused: ["Secrets that no service uses", "Delete those that people don’t need either.",
    (f) => name(f.secret), (f) => [["list", `secrets/${f.secret.id}`, "Look at it"]]],
  value_not_read: ["Values that are not read", "Not for 90 days. Delete them, if they are not needed.",
    (f) => html`${name(f.item)} in ${name(f.secret)}, ${at(f.at, "last read", "never read")}`,
    (f) => [["list", `secrets/${f.secret.id}`, "Look at it"]]],
  value_not_rotated: ["Values that are not rotated",
    "Older than 180 days. Make new ones at their source, and enter them here.",
    (f) => html`${name(f.item)} in ${name(f.secret)}, ${at(f.at, "set", "")}`,
    (f) => [["list", `secrets/${f.secret.id}`, "Rotate it"],
      ["audit", activity({ secret: f.secret.id, item: f.item.id, action: "item.revealed" }), "Who read it"]]],
};

const atOnce = 5; // pages, before the user is asked

export function ReviewView() {
  const { can } = useRights();
  const { signIns } = session.use();
  useTitle("Review");
  if (!can("audit")) return html`<main key="hidden"><h1 tabindex="-1">Review</h1><${MayNot} what="audit" /></main>`;
  return html`<${Review} key=${signIns} />`;
}

function Review() {
  const { can } = useRights();
  const [state, setState] = useState({ findings: [], progress: null, next: "", busy: false, failure: null });
  const gone = useRef(false);
  const read = async (from) => {
    const change = (fields) => gone.current || setState((s) => ({ ...s, ...fields }));
    let cursor = from;
    change({ busy: true, failure: null });
    try {
      for (let pages = 0; cursor !== null && pages < atOnce && !gone.current; pages++) {
        const page = await call("GET", `review/${cursor && `?${new URLSearchParams({ cursor })}`}`);
        cursor = page.next && new URL(page.next).searchParams.get("cursor");
        const [results, next] = [page.results, cursor];
        if (gone.current) return;
        setState((s) => ({ ...s, findings: [...s.findings, ...results], progress: page.progress, next }));
      }
    } catch (error) {
      change({ failure: asFailure(error) });
    }
    change({ busy: false });
  };
  useEffect(() => {
    gone.current = false;
    read("");
    return () => (gone.current = true);
  }, []);
  const { findings, progress, next, busy, failure } = state;
  const done = next === null;
  return html`<main key="review">
    <p><${Link} to="activity">← Activity<//></p>
    <h1 tabindex="-1">Review</h1>
    <p>What to look at from time to time.</p>
    <p class="quiet" role="status">${busy && "Looking … "}${progress && !done &&
      `${progress.done} of ${count(progress.of, progress.list.slice(0, -1))} looked at.`}${done &&
      `Everything was looked at.${findings.length === 0 ? " There is nothing to do." : ""}`}</p>
    <${Problem} failure=${failure} retry=${() => read(next)} />
    ${Object.entries(checks).map(([check, [title, advice, say, links]]) => {
      const found = findings.filter((finding) => finding.check === check);
      return found.length > 0 && html`<section aria-labelledby=${check} key=${check}>
        <h2 id=${check}>${title} (${found.length})</h2>
        <p class="quiet">${advice}</p>
        <ul class="rows" aria-label=${title}>
          ${found.map((finding) => html`<li class="row">
            <div class="grow">${say(finding)}</div>
            ${links(finding).filter(([needed]) => can(needed)).map(([, to, text]) =>
              html`<${Link} to=${to}>${text}<//>`)}
          </li>`)}
        </ul>
      </section>`;
    })}
    ${!done && !busy && !failure && html`<p><button onClick=${() => read(next)}>Continue</button></p>`}
  </main>`;
}
