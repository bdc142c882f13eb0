// A chart of reveals per day, which needs no colours: each bar has its number. It is also a table.

import { call } from "./api.js";
import { request } from "./activity.js";
import { asFailure, Problem } from "./parts.js";
import { html, useEffect, useRef, useState } from "./preact.js";
import { days } from "./sentence.js";
import { count } from "./text.js";

const shownDays = 30;
const [width, height, top] = [20, 60, 14]; // of a bar, in units of the drawing

const short = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });

// Chart counts the reveals that match the filters, of the last 30 days or of those that one request has.
export function Chart({ filters: { outcome, days: _, ...filters } }) {
  const [state, setState] = useState({ events: null, whole: true, failure: null });
  const gone = useRef(false);
  const load = async () => {
    try {
      const reveals = { action: "item.revealed", outcome: "allowed", page_size: 1000 };
      const path = request({ ...filters, days: shownDays }, reveals);
      const { results, next } = await call("GET", path);
      if (!gone.current) setState({ events: results, whole: !next, failure: null });
    } catch (error) {
      setState((s) => ({ ...s, failure: asFailure(error) }));
    }
  };
  useEffect(() => {
    if (!filters.action || filters.action === "item.revealed") load();
    return () => (gone.current = true);
  }, []);
  const { events, whole, failure } = state;
  if (failure) return html`<${Problem} failure=${failure} retry=${load} />`;
  if (!events || events.length === 0) return null;
  const counted = days(events, shownDays);
  // The day of the oldest one may be cut off.
  const oldest = new Date(events.at(-1).at);
  const known = whole ? counted : counted.filter((day) => day.at > oldest);
  if (known.length === 0) return html`<p class="quiet">More than ${count(events.length, "reveal")} today.</p>`;
  const total = known.reduce((sum, day) => sum + day.count, 0);
  const most = known.reduce((a, b) => (b.count > a.count ? b : a));
  const summary = `${count(total, "reveal")} in ${count(known.length, "day")}, ` +
    `most on ${short.format(most.at)}: ${most.count}`;
  const scale = height / Math.max(1, most.count);
  return html`<section aria-label="Reveals per day" class="chart">
    <p class="quiet">${summary}</p>
    <svg viewBox=${`0 0 ${known.length * width} ${top + height + 2}`} role="img" aria-label=${summary}>
      ${known.map((day, i) => html`<g key=${i}>
        <title>${short.format(day.at)}: ${day.count}</title>
        <rect x=${i * width + 3} width=${width - 6} y=${top + height - day.count * scale}
          height=${Math.max(1, day.count * scale)} />
        ${day.count > 0 && html`<text x=${i * width + width / 2}
          y=${top + height - day.count * scale - 3}>${day.count}</text>`}
      </g>`)}
    </svg>
    <details><summary class="quiet">As a table</summary><table>
      <thead><tr><th scope="col">Day</th><th scope="col">Reveals</th></tr></thead>
      <tbody>${known.filter((day) => day.count > 0).map((day) =>
        html`<tr><th scope="row">${short.format(day.at)}</th><td>${day.count}</td></tr>`)}</tbody>
    </table></details>
  </section>`;
}
