// State that all views share: the session and the budget.

import { useLayoutEffect, useState } from "./preact.js";

// store keeps a state. A change redraws every component that uses it.
export function store(state) {
  const listeners = new Set();
  return {
    get: () => state,
    set(change) {
      state = { ...state, ...change };
      for (const listener of [...listeners]) listener();
    },
    watch: (listener) => listeners.add(listener),
    use() {
      const [, redraw] = useState(0);
      useLayoutEffect(() => {
        const listener = () => redraw((n) => n + 1);
        listeners.add(listener);
        return () => listeners.delete(listener);
      }, []);
      return state;
    },
  };
}

// The key is in memory. At the user's request it is also in the tab's session storage,
// which ends with the tab. It is never in an address, a cookie, or storage that outlives
// the tab.
const remembered = {
  name: "goblins-secrets.key",
  read() {
    try {
      return sessionStorage.getItem(this.name);
    } catch {
      return null; // the browser has no session storage
    }
  },
  write(key) {
    try {
      if (key) sessionStorage.setItem(this.name, key);
      else sessionStorage.removeItem(this.name);
    } catch {
      // the key is not remembered
    }
  },
};

const signedOut = {
  key: null,
  refused: "", // the reason to ask for the key again, while the views keep their state
  signIns: 0, // a change reloads all data that was loaded with another key
  user: null, // the key's user, known from the first reveal on
  budget: null, // {limit, window, left, until}: until is when the next reveal comes back, in ms
  notice: "", // the result of the last action
  search: "", // in the list of secrets
  order: "name", // of that list
  keys: null, // of all secrets, read on request: {found, at}; found maps an id to its keys, at is when all were read
};
export const session = store({ ...signedOut, key: remembered.read() });

export function signIn(key, remember) {
  remembered.write(remember ? key : null);
  session.set({ key, refused: "", user: null, signIns: session.get().signIns + 1 });
}

export function signOut() {
  remembered.write(null);
  session.set({ ...signedOut, signIns: session.get().signIns + 1 });
}

// refuse asks for a key again. All views keep their state and their input.
export function refuse(why) {
  remembered.write(null);
  session.set({ key: null, refused: why });
}

export const notify = (notice) => session.set({ notice });

export function setBudget({ limit, window, left, reset }) {
  const at = Date.now();
  session.set({ budget: { limit, window, left, at, until: reset ? at + reset * 1000 : 0 } });
}
