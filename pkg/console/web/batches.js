// Writing many items of a secret, in batches. The API does all of a batch or nothing of it.

import { all, call, Failure, sentences } from "./shared.js";

const most = 20; // changes in a batch
const mostBytes = 128 * 1024; // of its values

const size = (entry) => new TextEncoder().encode(entry.value).length;
const path = (secret) => `secrets/${secret}/items/batch/`;
const body = (entries) => ({ items: entries.map(({ key, value }) => ({ key, value })) });

// split divides entries, each {key, value}, into those of each batch.
function split(entries) {
  const groups = [];
  let bytes = 0;
  for (const entry of entries) {
    bytes += size(entry);
    if (groups.length === 0 || groups.at(-1).length === most || bytes > mostBytes) {
      groups.push([]);
      bytes = size(entry);
    }
    groups.at(-1).push(entry);
  }
  return groups;
}

const meanwhile = (done, next) => {
  const what = `Another client has ${done} this item meanwhile.`;
  return { what, text: `${what} Another try ${next}.` };
};

// difference says how an item differs from what the user has seen, if it does. undefined is no item.
function difference(seen, now) {
  if (!seen && now) return meanwhile("created", "replaces its value");
  if (seen && !now) return meanwhile("deleted", "adds it");
  if (seen && seen.etag !== now.etag) return meanwhile("changed", "replaces its value");
  return undefined;
}

// prepare asks what batches of entries would do, and writes nothing: {batches, problems, now}. known are the items
// that the user has seen, now those of the secret, by key. problems are by entry: {what, text} if the item has
// changed, {text, refused} if the API refuses the entry. All is of one state of the secret, and the first batch rests
// on that.
export async function prepare(secret, entries, known) {
  for (let tries = 1; ; tries++) {
    const { etag } = await call("GET", `secrets/${secret}/`);
    const now = new Map();
    await all(`secrets/${secret}/items/`, (rows) => rows.forEach((item) => now.set(item.key, item)));
    const problems = new Map();
    const batches = [];
    try {
      for (const group of split(entries)) {
        for (const entry of group) {
          const problem = difference(known.get(entry.key), now.get(entry.key));
          if (problem) problems.set(entry, problem);
        }
        const planned = await dryRun(secret, group, etag, problems);
        batches.push({ entries: group, planned, tag: batches.length === 0 ? etag : undefined, token: newToken() });
      }
      return { batches, problems, now };
    } catch (failure) {
      if (failure.kind !== "changed" || tries === 3) throw failure;
    }
  }
}

async function dryRun(secret, entries, tag, problems) {
  try {
    return (await call("POST", `${path(secret)}?dry_run=true`, body(entries), { tag })).results;
  } catch (failure) {
    if (failure.kind !== "invalid" || !problems) throw failure;
    const { items = [], ...others } = failure.fields;
    entries.forEach((entry, i) => {
      if (Object.keys(items[i] ?? {}).length > 0) problems.set(entry, { text: sentences(items[i]), refused: true });
      else if (Object.keys(others).length > 0) problems.set(entry, { text: sentences(others) });
    });
    return [];
  }
}

// write writes a batch of prepare. If the answer is lost, a second call finds what the first has done. It writes
// nothing if what it would do has changed since.
export async function write(secret, batch) {
  const { entries, planned, token } = batch;
  for (let tries = 1; ; tries++) {
    if (!batch.tag) {
      const { etag } = await call("GET", `secrets/${secret}/`);
      const plan = await dryRun(secret, entries, etag);
      if (JSON.stringify(plan) !== JSON.stringify(planned)) {
        throw new Failure("refused", "Another client has changed items of these lines meanwhile.");
      }
      batch.tag = etag;
    }
    try {
      return (await call("POST", path(secret), body(entries), { tag: batch.tag, token })).results;
    } catch (failure) {
      if (failure.kind !== "changed") throw failure;
      batch.tag = undefined;
      if (tries === 3) throw new Failure("refused", "Other clients change this secret at the moment. Try again.");
    }
  }
}

// newToken identifies a request, so that the API does it once.
function newToken() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((n) => n.toString(16).padStart(2, "0")).join("");
}
