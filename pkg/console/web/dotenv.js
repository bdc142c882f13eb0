// Reading a .env file.
//
//   KEY=plain value            # a comment
//   export KEY='as it is, also over several lines'
//   KEY="with \n, \t, \r, \", \\ and \$, also over several lines"
//
// Nothing is substituted: ${OTHER} stays what it is.

const escapes = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\", $: "$" };

// parseDotenv returns an entry for each assignment and for each line that is none:
// {line, key, value}, with a problem where it can't be taken.
function parseDotenv(text) {
  const entries = [];
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1;
    if (/^\s*(#|$)/.test(lines[i])) continue;
    const assignment = /^\s*(?:export\s+)?([^\s=]+)\s*=[^\S\n]*(.*)$/s.exec(lines[i]);
    if (!assignment) {
      entries.push({ line, key: "", value: "", problem: "This line is no KEY=value." });
      continue;
    }
    const [, key, rest] = assignment;
    const quote = /^["']/.exec(rest)?.[0];
    if (!quote) {
      // A # begins a comment only after a space: it may be part of a password.
      entries.push(checked({ line, key, value: rest.replace(/(^|\s)#.*$/s, "").trimEnd() }));
      continue;
    }
    const quoted = readQuoted([rest, ...lines.slice(i + 1)].join("\n"), quote);
    if (!quoted) {
      entries.push({ line, key, value: "", problem: `The quote ${quote} is not closed.` });
      continue; // the lines that follow may still be good
    }
    i += quoted.lines;
    const problem = /^\s*(#.*)?$/s.test(quoted.after) ? undefined : "There is something after the closing quote.";
    entries.push(problem ? { line, key, value: "", problem } : checked({ line, key, value: quoted.value }));
  }
  return onlyLast(entries);
}

// readQuoted reads a text that begins with a quote: what it holds, how many line breaks
// that has, and what follows on its last line. Undefined: it does not end.
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

// checked says what the API would refuse, before it is asked.
function checked(entry) {
  if (!/^[A-Za-z0-9._-]{1,255}$/.test(entry.key)) {
    entry.problem = "A key has 1 to 255 letters, digits, dots, underscores and hyphens.";
  } else if (entry.value === "") {
    entry.problem = "There is no value.";
  } else if (bytes(entry.value) > 65536) {
    entry.problem = "The value is longer than 64 KiB.";
  }
  return entry;
}

// onlyLast leaves of several entries for a key the last one, as a shell would.
function onlyLast(entries) {
  const last = new Map(entries.filter((e) => !e.problem).map((e) => [e.key, e]));
  for (const e of entries) {
    if (!e.problem && last.get(e.key) !== e) e.problem = `Line ${last.get(e.key).line} sets it again.`;
  }
  return entries;
}
