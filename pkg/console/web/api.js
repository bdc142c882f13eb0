// The API, as documented in docs/api.md.

import { refuse, session, setBudget, setMe } from "./session.js";

const pageSize = 200;
const patience = 30000; // ms; API Gateway itself gives up after 29 s

// Failure is an unsuccessful answer. Its message says what to do next.
//
//   kind     session    the API refused the key; the page asks for a key
//            throttled  the budget is spent; wait is the time in seconds until the next reveal
//            invalid    fields are invalid; fields has the messages of each
//            missing    the resource does not exist
//            changed    another client has changed the resource: it no longer has the tag
//            refused    the present state does not allow it
//            broken     a later attempt may succeed
export class Failure extends Error {
  constructor(kind, message, more = {}) {
    super(message);
    Object.assign(this, { kind, wait: 0, fields: {} }, more);
  }
}

let ahead = 0; // of the API's clock, in ms, to the second
const slack = 5000; // ms; a function may end after its client has gone

// madeBetween reports whether an object was created between two times of this clock, to some seconds: by a request
// of that time whose answer was lost, and not by another client before or later.
export function madeBetween(object, { from, to }) {
  const at = Date.parse(object.created_at) - ahead;
  return at >= from - slack && at <= to + slack;
}

// serverTime is a time of this clock as the API's clock has it, to the second.
export const serverTime = (time) => time + ahead;

// call makes a request to a path below /api/ and returns the answer's body. With a tag, the object must have it. What
// has a token is done once: the same request again gets the first answer.
export async function call(method, path, body, { key = session.get().key, tag, token } = {}) {
  const headers = { ...(tag && { "If-Match": tag }), ...(token && { "Idempotency-Key": token }) };
  return await read(await ask(method, path, body, key, headers), key);
}

// download reads an export page by page, until isOver, and calls onPage with the text of each.
export async function download(path, isOver, onPage) {
  const { key } = session.get();
  for (let next = path; next; ) {
    const answer = await ask("GET", next, undefined, key);
    if (!answer.ok) await read(answer, key);
    const text = await answer.text();
    if (isOver()) return;
    onPage(text);
    // The link's host may differ from the page's, for example behind a proxy.
    const link = /<([^>]+)>; rel="next"/.exec(answer.headers.get("Link"))?.[1];
    next = link && path.replace(/\?.*/, new URL(link).search);
  }
}

async function ask(method, path, body, key, headers) {
  for (let tries = 1; ; tries++) {
    const answer = await send(method, path, body, key, headers);
    // The stage limits requests per second, and rejected this one unprocessed.
    if (answer.status === 429 && !answer.headers.has("RateLimit") && tries < 6) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * tries));
      continue;
    }
    readBudget(answer.headers);
    ahead = Date.parse(answer.headers.get("Date")) - Date.now() || 0;
    return answer;
  }
}

async function send(method, path, body, key, headers) {
  try {
    return await fetch(new URL(`../api/${path}`, document.baseURI), {
      method,
      headers: { Authorization: `Bearer ${key}`, ...(body && { "Content-Type": "application/json" }), ...headers },
      body: body && JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(patience),
    });
  } catch (error) {
    throw new Failure(
      "broken",
      error.name === "TimeoutError"
        ? "The API did not answer in time. The change may have been made: check before you try again."
        : "The API can't be reached. Check the connection, then try again. Your input is kept.",
    );
  }
}

// read turns an answer into its body, or into a Failure.
async function read(answer, key) {
  const body = answer.status === 204 ? null : await answer.json().catch(() => undefined);
  if (answer.ok && body !== undefined) return body;
  const detail = typeof body?.detail === "string" ? body.detail : "";
  switch (answer.status) {
    case 400:
      if (body && !detail) throw new Failure("invalid", "Some fields are invalid. Correct them.", { fields: body });
      break;
    case 401: {
      const why = session.get().me?.key.invitation
        ? "This invitation is no longer valid: it was used, it was revoked, or it has expired. " +
          "Ask your administrator for another one."
        : "The API no longer accepts this key. Sign in again. Your input is kept.";
      if (session.get().key === key && key) refuse(why);
      throw new Failure("session", why);
    }
    case 403: // the rights may have changed since they were read
      if (session.get().key === key && key) refreshMe();
      break;
    case 404:
      throw new Failure("missing", "Not found. It was deleted, or your key may not see it. Return to the list.");
    case 412:
      throw new Failure("changed",
        "It was changed meanwhile. Your change was not made. Reload the page, then try again.");
    case 429: {
      const wait = Number(answer.headers.get("Retry-After")) || 1;
      throw new Failure("throttled", "Your budget of reveals is spent. Try again later.", { wait });
    }
  }
  if (answer.status < 500 && detail) throw new Failure("refused", detail);
  const text = `The API failed (${answer.status}). Try again in a moment. If it fails again, ask your administrator.`;
  throw new Failure("broken", text);
}

// readBudget stores the budget that an answer's headers report: "reveals";r=87;t=740.
function readBudget(headers) {
  const number = (header, name) => Number(new RegExp(`;${name}=(\\d+)`).exec(headers.get(header))?.[1]);
  if (!headers.has("RateLimit")) return;
  setBudget({
    limit: number("RateLimit-Policy", "q"), window: number("RateLimit-Policy", "w"),
    left: number("RateLimit", "r"), reset: number("RateLimit", "t"),
  });
}

// find returns the one object of a list that has a name or key, if any and if it is mine: see useAction. Without
// mine, nothing is looked for.
export async function find(path, filter, mine) {
  if (!mine) return undefined;
  const [found] = (await call("GET", `${path}?${new URLSearchParams(filter)}`)).results;
  return found && mine(found) ? found : undefined;
}

// all reads a list page by page. After each page it calls onPage with all rows so far.
export async function all(path, onPage) {
  const rows = [];
  for (let cursor = ""; cursor !== null; ) {
    const query = new URLSearchParams({ page_size: pageSize, ...(cursor && { cursor }) });
    const page = await call("GET", `${path}${path.includes("?") ? "&" : "?"}${query}`);
    rows.push(...page.results);
    // The link's host may differ from the page's, for example behind a proxy.
    cursor = page.next && new URL(page.next).searchParams.get("cursor");
    onPage([...rows], cursor === null);
  }
}

// eachOf calls act for each element, a few at the same time. After a failure no more calls begin, and the
// failure is thrown when all have ended.
export async function eachOf(elements, most, act) {
  const waiting = [...elements].reverse();
  const work = async () => {
    while (waiting.length > 0) {
      try {
        await act(waiting.pop());
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: most }, work));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed) throw failed.reason;
}

const again = 5000; // ms

// refreshMe reads whose key it is, what it may do, and the budget.
export async function refreshMe() {
  const { key } = session.get();
  const current = () => key && session.get().key === key;
  try {
    const me = await call("GET", "me/");
    if (current()) setMe(me);
  } catch {
    // Keep what is known: each reveal's answer reports the budget again. Without rights, little is offered.
    if (current() && !session.get().me) setTimeout(() => current() && refreshMe(), again);
  }
}
