// Reading and writing a .env file as the common parsers do: dotenv of Node.js, godotenv, python-dotenv, and a shell.
//
//   KEY=plain value            # a comment
//   export KEY='verbatim, also over several lines'
//   KEY=`the same`
//   KEY="with \n, \t, \r, \", \', \\ and \$, also over several lines"
//
// Where those parsers agree, an entry is the same. Where they differ, it is what one of them reads and has a note, or
// it is refused. Variables are not substituted: $ stays verbatim.

const escapes = { n: "\n", r: "\r", t: "\t", '"': '"', "'": "'", "\\": "\\", $: "$" };
const assignment = /^(\s*(?:export\s+)?(?:((?!export\s)[^\s="'`][^\s=]*?)(?:\s*=|:(?=\s)))?)(.*)$/s;
const base64End = /^\s*([\w+/-]{4})*[\w+/-]{2}[\w+/=-]=\s*$/;
const base64Start = /^\s*(?:export\s+)?[\w.-]+\s*=\s*[\w+/-]{40,}\s*$/;
const emptyAssignment = /^\s*(?:export\s+)?[A-Z_][A-Z0-9_]*=\s*$/;
const anyAssignment = /^\s*(?:export\s+)?["']?([\w.-]+)["']?\s*(?:\+?=|:)/;
const shellAssignment = /^[ \t]*(?:export[ \t]+)?[A-Za-z_]\w*=$/;
const comment = /^\s*(#|$)/;
const curly = /[“”‘’„‚]/;

// parseDotenv returns an entry for each assignment and for each refused part: {line, last, key, value}.
// A line that is not blank and no comment is within one entry, from its line to its last. An entry that can't be
// imported has a problem. It has a key only if it surely begins with one, because keys are shown: a line of a
// broken secret is none. Other entries may have a note.
export function parseDotenv(text) {
  text = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
  const entries = [];
  const setBy = new Map(); // by key: the last line that sets it, as at least one parser would read it
  for (let start = 0, line = 1; start < text.length; ) {
    const before = entries.at(-1);
    const follows = before?.last === line - 1;
    const half = follows && base64Start.test(before.raw);
    const { end, notes, ...read } = statement(text, start, (follows && before.key === "") || half);
    if (half && read.problem === tail) before.problem = "This value may go on in the next line. Put it in quotes.";
    const lines = text.slice(start, end).split("\n");
    const last = line + lines.length - 1;
    if (read.value !== undefined) {
      const entry = checked({ line, last, ...read });
      Object.defineProperty(entry, "raw", { value: lines.length === 1 ? lines[0] : "" }); // not enumerable
      if (!entry.problem && notes.length > 0) entry.note = notes.join(" ");
      setBy.set(entry.key, line);
      if (entry.problem || entry.note) {
        lines.forEach((content, i) => setBy.set(anyAssignment.exec(content)?.[1], line + i));
      }
      entries.push(entry);
    }
    start = end + 1;
    line = last + 1;
  }
  // The last line for a key counts, even one that is refused: the values before it are outdated.
  for (const entry of entries) {
    const again = setBy.get(entry.key);
    if (!entry.problem && again > entry.line) entry.problem = `Line ${again} sets it again.`;
  }
  return entries;
}

const lineEnd = (text, at) => (text.indexOf("\n", at) + 1 || text.length + 1) - 1;
const differs = (how) => `Parsers differ here: ${how}.`;

// statement reads what begins at start, up to its end: {end, key, value, notes, problem}. A blank line or a
// comment has an end only. A line is in pieces if no key was found in the line before it.
function statement(text, start, inPieces) {
  const end = lineEnd(text, start);
  const line = text.slice(start, end);
  if (comment.test(line)) return { end };
  const [, head, key, rest] = assignment.exec(line);
  const notes = [];
  if (!shellAssignment.test(head) || /^\s/.test(rest)) {
    notes.push(differs("a shell refuses this key, or a space beside ="));
  }
  const at = start + head.length + rest.search(/\S|$/);
  const read = /["'`]/.test(text[at]) ? quoted(text, at, end, notes) : unquoted(text, end, rest, notes);

  let problem;
  if (!key) {
    problem = "This line is not KEY=value.";
  } else if (head.endsWith(":")) {
    problem = "This line is not KEY=value. Write = instead of the colon.";
  } else if (inPieces && base64End.test(line) && !emptyAssignment.test(line)) {
    problem = tail;
  }
  if (!problem) return { key, notes, ...read };
  if (read.end === end) return { end, key: "", value: "", problem };
  return read.problem ? { ...read, key: "" } : { end: text.length, key: "", value: "", problem: problem + skipsAll };
}

// unquoted reads the rest of a line, which ends at end. It adds to notes.
function unquoted(text, end, rest, notes) {
  if (rest.includes("-----BEGIN ") && !rest.includes("-----END ")) {
    const close = text.indexOf("-----END ", end);
    const problem = "This block of several lines is not in quotes. " +
      "Put a quote before its -----BEGIN and one after its last line.";
    return { end: close < 0 ? text.length : lineEnd(text, close), value: "", problem };
  }
  const sharp = rest.search(/\s#/);
  const value = (sharp < 0 ? rest : rest.slice(0, sharp)).trim();
  if (value === "") {
    const commented = "The value is empty: # after a space starts a comment. Put a value with # in quotes.";
    return { end, value, problem: sharp < 0 ? undefined : commented };
  }
  if (curly.test(value[0])) {
    if (value.length === 1 || !curly.test(value.at(-1))) {
      return { end: text.length, value: "", problem: notClosed(value[0], rest) };
    }
    notes.push(`The quotes ${value[0]} and ${value.at(-1)} are part of the value. Only ", ' and \` enclose a value.`);
  }
  if (value.includes("#")) notes.push(differs("# is taken as part of the value"));
  if (sharp >= 0 && /\s#/.test(rest.slice(sharp + 1))) {
    notes.push(differs("the comment is taken from the first # after a space"));
  }
  if (/[\s"'`\\&;|<>()]|(^|:)~|(^|[^$]){/.test(value)) notes.push(differs("a shell may need quotes"));
  return { end, value };
}

// quoted reads a value whose opening quote is at a position of the line that ends at first. It adds to notes. If
// the quotes are broken over lines, all that follows may belong to the value, and is refused with it.
function quoted(text, at, first, notes) {
  const quote = text[at];
  let close = at + 1;
  while (close < text.length && text[close] !== quote) close += text[close] === "\\" ? 2 : 1;
  if (close >= text.length) return { end: text.length, value: "", problem: notClosed(quote, text.slice(at, first)) };
  const end = lineEnd(text, close);
  const after = text.slice(close + 1, end);
  const value = text.slice(at + 1, close);
  const escaped = value.match(/\\[^]/g) ?? [];
  const wide = end > first || (quote !== '"' && value.endsWith("\\")) || after.match(/["'`]/g)?.length % 2 === 1;
  const refused = (problem) =>
    wide ? { end: text.length, value: "", problem: problem + skipsAll } : { end, value: "", problem };
  if (quote !== '"' && text.slice(at, close + 1).includes("\\" + quote)) {
    return refused(`Parsers differ about \\${quote} in these quotes. Put the value in other quotes.`);
  }
  if (!comment.test(after)) {
    return refused("There is text after the closing quote. Put the value in quotes that it does not contain.");
  }
  const odd = quote === '"' && escaped.find((e) => /[abfv]/.test(e));
  if (odd) {
    return { end, value: "", problem: `Parsers differ about ${odd} in double quotes. Put the value in single quotes.` };
  }

  if (after.startsWith("#")) notes.push(differs("# is taken as the start of a comment"));
  if (quote === "`") notes.push(differs("backticks are taken as quotes"));
  if (quote === "'" && escaped.includes("\\\\")) notes.push(differs("backslashes are taken as they are"));
  if (quote !== '"') return { end, value };
  if (value.includes("`")) notes.push(differs("backticks are taken as they are"));
  if (escaped.some((e) => e !== "\\$")) notes.push(differs(`\\n, \\r, \\t, \\", \\' and \\\\ are taken as escapes`));
  return { end, value: value.replace(/\\([nrt"'\\$])/g, (_, letter) => escapes[letter]) };
}

const tail = "This line may be the end of a value of several lines. Put that value in quotes.";
const skipsAll = " All that follows is skipped with it.";
const notClosed = (quote, line) => `The quote ${quote} is not closed.${skipsAll}` +
  (curly.test(line) ? " Curly quotes do not count: write \" or '." : "");

// checked adds the problem for which the API would refuse the entry.
function checked(entry) {
  if (!entry.problem && entry.value === "") entry.problem = "The value is empty.";
  if (new TextEncoder().encode(entry.value).length > 65536) entry.problem = "The value is longer than 64 KiB.";
  if (entry.key !== "" && !/^(?!\.\.|\.$)[A-Za-z0-9._-]{1,253}$/.test(entry.key)) {
    entry.key = "";
    entry.problem = "A key has 1 to 253 letters, digits, dots, underscores and hyphens. " +
      'It is not ".", and does not begin with "..".';
  }
  return entry;
}

// Forms of a value in a file, the best one first.
const forms = [
  (value) => (/^[\p{L}\p{N}_./:@%+,=-]+$/u.test(value) ? value : undefined),
  (value) => `'${value}'`,
  (value) => (value.includes("$") ? undefined : `"${value}"`),
  (value) => `"${value.replace(/[\\"$]/g, "\\$&").replace(/\r/g, "\\r").replace(/\n/g, "\\n")}"`,
];

// formatDotenv writes values, by their keys, as a .env file: {text, doubtful}. parseDotenv reads all of them back, and
// so do other parsers, but for the doubtful keys: a comment before such a line says why.
export function formatDotenv(values) {
  const doubtful = [];
  const lines = Object.entries(values).map(([key, value]) => {
    const written = forms.map((form) => form(value)).filter((text) => text !== undefined)
      .map((text) => `${key}=${text}`).map((line) => ({ line, entries: parseDotenv(line) }))
      .filter(({ entries: [entry, ...more] }) => more.length === 0 && !entry.problem && entry.value === value);
    const { line, entries: [{ note }] } = written.find(({ entries }) => !entries[0].note) ?? written.at(0);
    const why = note ?? (line.startsWith(`${key}="`) && value.includes("$") ? differs("\\$ is taken as an escape")
      : value.includes("${") ? differs("python-dotenv replaces ${…} by default") : "");
    if (!why) return `${line}\n`;
    doubtful.push(key);
    return `# ${why}\n${line}\n`;
  });
  return { text: lines.join(""), doubtful };
}
