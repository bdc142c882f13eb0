// Texts for people: numbers, times and invisible characters.

export const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
export const loadingMore = ", loading more …";

// duration is a time span, rounded up to one unit: 45 s, 12 min, 3 h.
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.ceil(seconds))} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.ceil(seconds / 3600)} h`;
}

// clock is for countdowns: 11:40.
export function clock(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((n, i) => (i === 0 ? `${n}` : `${n}`.padStart(2, "0"))).join(":");
}

const sinceUnits = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

// since is the age of a time of the API, in words.
export function since(time) {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  const unit = sinceUnits.find(([, length]) => seconds >= length);
  return unit ? relative.format(-Math.floor(seconds / unit[1]), unit[0]) : "just now";
}

export const exactly = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });

// unseen lists up to five invisible characters of a text, such as those that change its
// direction. Tabs and line feeds do not count.
export function unseen(text) {
  const found = new Set();
  for (const [character] of text.matchAll(/[\p{Cf}\p{Zl}\p{Zp}]|(?![\t\n])\p{Cc}/gu)) {
    found.add("U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0"));
    if (found.size === 5) break;
  }
  return [...found];
}

export const bytes = (text) => new TextEncoder().encode(text).length;
