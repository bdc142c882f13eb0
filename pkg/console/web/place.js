// The place in the console: the path relative to the console's own path.

import { store } from "./session.js";

const home = new URL(document.baseURI).pathname;

// place is the path relative to the console's own path: "" or "secrets/<id>".
const here = () => (location.pathname.startsWith(home) ? location.pathname.slice(home.length).replace(/\/$/, "") : "");
export const place = store({ path: here() });

export function navigate(path) {
  history.pushState(null, "", home + path);
  arrive();
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
  history.pushState(null, "", home + place.get().path);
  holder();
  return undefined;
}

function arrive() {
  place.set({ path: here() });
  // As after a page load, screen readers start with the heading.
  requestAnimationFrame(() => {
    scrollTo(0, 0);
    document.querySelector("h1")?.focus();
  });
}
