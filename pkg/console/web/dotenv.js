// Reading a .env file.
//
//   KEY=plain value            # a comment
//   export KEY='verbatim, also over several lines'
//   KEY="with \n, \t, \r, \", \\ and \$, also over several lines"
//
// Variables are not substituted: ${OTHER} stays verbatim.

import { bytes } from "./text.js";

const escapes = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\", $: "$" };

// parseDotenv returns an entry for each assignment and for each invalid line: {line, key,
// value}. An entry that can't be imported has a problem.
export function parseDotenv(text) {
  const entries = [];
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1;
    if (/^\s*(#|$)/.test(lines[i])) continue;
    const assignment = /^\s*(?:export\s+)?([^\s=]+)\s*=[^\S\n]*(.*)$/s.exec(lines[i]);
    if (!assignment) {
      entries.push({ line, key: "", value: "", problem: "This line is not KEY=value." });
      continue;
    }
    const [, key, rest] = assignment;
    const quote = /^["']/.exec(rest)?.[0];
    if (!quote) {
      // A # starts a comment only after a space: it may be part of a password.
      entries.push(checked({ line, key, value: rest.replace(/(^|\s)#.*$/s, "").trimEnd() }));
      continue;
    }
    const quoted = readQuoted([rest, ...lines.slice(i + 1)].join("\n"), quote);
    if (!quoted) {
      entries.push({ line, key, value: "", problem: `The quote ${quote} is not closed.` });
      continue; // the following lines may be valid
    }
    i += quoted.lines;
    const problem = /^\s*(#.*)?$/s.test(quoted.after) ? undefined : "There is text after the closing quote.";
    entries.push(problem ? { line, key, value: "", problem } : checked({ line, key, value: quoted.value }));
  }
  return onlyLast(entries);
}

// readQuoted reads a text that begins with a quote. It returns the quoted value, its number
// of line breaks, and the rest of its last line; undefined if the quote is not closed.
function readQuoted(text, quote) {
  let value = "";
  for (let i = 1; i < text.length; i++) {
    if (text[i] === quote) {
      return { value, lines: text.slice(0, i).split("\n").length - 1, after: text.slice(i + 1).split("\n", 1)[0] };
    }
    if (quote === '"' && text[i] === "\\" && text[i + 1] in escapes) {
      value += escapes[text[++i]];
    } else {
      value += text[i];
    }
  }
  return undefined;
}

// checked adds the problem for which the API would refuse the entry.
function checked(entry) {
  if (!/^(?!\.\.|\.$)[A-Za-z0-9._-]{1,253}$/.test(entry.key)) {
    entry.problem =
      'A key has 1 to 253 letters, digits, dots, underscores and hyphens. It is not ".", and does not begin with "..".';
  } else if (entry.value === "") {
    entry.problem = "The value is empty.";
  } else if (bytes(entry.value) > 65536) {
    entry.problem = "The value is longer than 64 KiB.";
  }
  return entry;
}

// onlyLast keeps the last of several entries for a key, as a shell would.
function onlyLast(entries) {
  const last = new Map(entries.filter((e) => !e.problem).map((e) => [e.key, e]));
  for (const e of entries) {
    if (!e.problem && last.get(e.key) !== e) e.problem = `Line ${last.get(e.key).line} sets it again.`;
  }
  return entries;
}
