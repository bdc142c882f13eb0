// Texts for people: numbers, times and invisible characters.

export const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
const collator = new Intl.Collator("en", { numeric: true });
export const byName = (a, b) => collator.compare(a.name, b.name);
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

// since is the age of a time of the API, in words; until, the time that is left.
export function since(time) {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  const unit = sinceUnits.find(([, length]) => seconds >= length);
  return unit ? relative.format(-Math.floor(seconds / unit[1]), unit[0]) : "just now";
}

export function until(time) {
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  const unit = sinceUnits.find(([, length]) => seconds >= length) ?? sinceUnits.at(-1);
  return relative.format(Math.round(seconds / unit[1]), unit[0]);
}

export const exactly = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });

// An emoji may contain joiners and selectors, which are part of what is seen.
const emoji = String.raw`\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?`;
const hidden =
  String.raw`[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]` +
  String.raw`|(?![\t\n])\p{Cc}|(?! )\p{Zs}`;
const pieces = new RegExp(`(?:${emoji}(?:\\u200d${emoji})*)|(${hidden})`, "gu");

const codePoint = (character) => "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

// marked splits a text into {text} and {unseen} parts. An unseen part is one character that shows nothing or
// looks like a plain space, such as those that change the direction of a text.
export function marked(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(pieces)) {
    if (!match[1]) continue;
    if (match.index > from) parts.push({ text: text.slice(from, match.index) });
    parts.push({ unseen: codePoint(match[1]) });
    from = match.index + match[1].length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}

// oddities says in sentences what can't be seen in a value.
export function oddities(value) {
  const said = [];
  const found = [...new Set(marked(value).flatMap((part) => part.unseen ?? []))].slice(0, 5);
  if (found.length > 0) said.push(`This value has invisible characters: ${found.join(", ")}.`);
  for (const [where, edge] of [["begins", value[0]], ["ends", value.at(-1)]]) {
    if (edge === "\n" || edge === "\r") said.push(`It ${where} with a line break.`);
    else if (edge !== undefined && /\s/u.test(edge)) said.push(`It ${where} with a space.`);
  }
  return said;
}

// seen is a text as people see it: composed, in one line, without what can't be seen.
export const seen = (text) =>
  text.replace(/[\s\p{Zs}]+/gu, " ").replace(new RegExp(hidden, "gu"), "").normalize("NFC").trim();

// matches reports whether a text has all words of a search, in any order.
export function matches(text, search) {
  const folded = seen(text).toLowerCase();
  return seen(search).toLowerCase().split(" ").every((word) => folded.includes(word));
}

// sentences is the API's messages of a field in one text. The messages of a list can be by its places.
export const sentences = (messages) =>
  typeof messages === "object" ? Object.values(messages).map(sentences).join(" ") : String(messages);

export const bytes = (text) => new TextEncoder().encode(text).length;
