// The API, as documented in docs/api.md.

const pageSize = 200;
const patience = 30000; // ms; API Gateway itself gives up after 29 s

// Failure is an answer other than success, in words that say what to do next.
//
//   kind     session    the key is not accepted: it is being asked for
//            throttled  the budget is spent; wait tells for how many seconds
//            invalid    fields are wrong; fields has the messages of each
//            missing    what it was about is not there
//            refused    it can't be done as things are
//            broken     it may work later
class Failure extends Error {
  constructor(kind, message, more = {}) {
    super(message);
    Object.assign(this, { kind, wait: 0, fields: {} }, more);
  }
}

// call makes a request to a path below /api/ and returns the answer's body.
async function call(method, path, body, key = session.get().key) {
  for (let tries = 1; ; tries++) {
    const answer = await send(method, path, body, key);
    // The stage takes only so many requests a second, and has not looked at this one.
    if (answer.status === 429 && !answer.headers.has("RateLimit") && tries < 6) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * tries));
      continue;
    }
    readBudget(answer.headers);
    return await read(answer, key);
  }
}

async function send(method, path, body, key) {
  try {
    return await fetch(new URL(`../api/${path}`, document.baseURI), {
      method,
      headers: { Authorization: `Bearer ${key}`, ...(body && { "Content-Type": "application/json" }) },
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
        ? "The API has not answered in time. It may have done it all the same: look before you try again."
        : "The API can't be reached. Check the connection, then try again: nothing that you typed is lost.",
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
      if (body && !detail) throw new Failure("invalid", "See what is marked below.", { fields: body });
      break;
    case 401: {
      const why = "The API does not accept this key any more. Sign in again: nothing that you typed is lost.";
      if (session.get().key === key && key) refuse(why);
      throw new Failure("session", why);
    }
    case 404:
      throw new Failure("missing", "It is not there: somebody may have deleted it, or it belongs to another account than this key's.");
    case 429: {
      const wait = Number(answer.headers.get("Retry-After")) || 1;
      throw new Failure("throttled", "The budget of reveals is spent.", { wait });
    }
  }
  if (answer.status < 500 && detail) throw new Failure("refused", detail);
  throw new Failure("broken", `The API failed (${answer.status}). Try again in a moment; if it goes on, ask those who run it.`);
}

// readBudget takes over what an answer tells of the budget: "reveals";r=87;t=740.
function readBudget(headers) {
  const number = (header, name) => Number(new RegExp(`;${name}=(\\d+)`).exec(headers.get(header))?.[1]);
  if (!headers.has("RateLimit")) return;
  setBudget({
    limit: number("RateLimit-Policy", "q"), window: number("RateLimit-Policy", "w"),
    left: number("RateLimit", "r"), reset: number("RateLimit", "t"),
  });
}

// all reads a list, page after page, and hands over what there is after each.
async function all(path, onPage) {
  const rows = [];
  for (let cursor = ""; cursor !== null; ) {
    const query = new URLSearchParams({ page_size: pageSize, ...(cursor && { cursor }) });
    const page = await call("GET", `${path}${path.includes("?") ? "&" : "?"}${query}`);
    rows.push(...page.results);
    // The rest of the link may name another host than the page's, such as the one behind a proxy.
    cursor = page.next && new URL(page.next).searchParams.get("cursor");
    onPage([...rows], cursor === null);
  }
}

async function refreshBudget() {
  try {
    setBudget(await call("GET", "budget/"));
  } catch {
    // It stays as it was: whoever is about to reveal something is told by that answer.
  }
}
