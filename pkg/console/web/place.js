// The place in the console: the path relative to the console's own path.

import { store } from "./session.js";

const home = new URL(document.baseURI).pathname;

// place is the path relative to the console's own path, "" or "secrets/<id>", and the query with its "?".
const path = () => (location.pathname.startsWith(home) ? location.pathname.slice(home.length).replace(/\/$/, "") : "");
const here = () => ({ path: path(), query: location.search });
export const place = store(here());

export function navigate(path) {
  history.pushState(null, "", home + path);
  arrive();
}

// refine goes to the same view with another query. The focus stays in what the user chooses with.
export function refine(path) {
  history.pushState(null, "", home + path);
  place.set(here());
}

// holder is asked before the user goes back or forward, and may hold the page where it is.
let holder = null;

export function hold(ask) {
  holder = ask;
  return () => {
    if (holder === ask) holder = null;
  };
}

// travelled handles the browser's back and forward buttons.
export function travelled() {
  if (!holder) return arrive();
  const { path, query } = place.get();
  history.pushState(null, "", home + path + query);
  holder();
  return undefined;
}

function arrive() {
  place.set(here());
  // As after a page load, screen readers start with the heading.
  requestAnimationFrame(() => {
    scrollTo(0, 0);
    document.querySelector("h1")?.focus();
  });
}
