// State that all views share: the session, whose it is, and the budget.

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
  wanted: false,
  read() {
    try {
      return sessionStorage.getItem(this.name);
    } catch {
      return null; // the browser has no session storage
    }
  },
  write(key) {
    try {
      if (key && this.wanted) sessionStorage.setItem(this.name, key);
      else sessionStorage.removeItem(this.name);
    } catch {
      // the key is not remembered
    }
  },
};

const signedOut = {
  key: null,
  refused: "", // the reason to ask for the key again, while the views keep their state
  farewell: "", // what the sign-in page says after the user has signed out
  signIns: 0, // a change reloads all data that was loaded with another key
  me: null, // {account, user, key, permissions, secrets}: whose key it is, and what it may do
  made: null, // the key that the user has got for an invitation, until it was shown
  names: null, // of the account's users, read when an id needs one: {found, missing}
  budget: null, // {limit, window, left, until}: until is when the next reveal comes back, in ms
  notice: { text: "", undo: undefined }, // the result of the last action, and what undoes it
  undone: 0, // a change reloads all data
  search: "", // in the list of secrets
  order: "name", // of that list
  keys: null, // of all secrets, read on request: {found, at}; found maps an id to its keys, at is when all were read
};
export const session = store({ ...signedOut, key: remembered.read() });
remembered.wanted = session.get().key !== null;

// signIn begins a session with a key, and with what GET me/ says of it.
export function signIn(key, remember, { budget, ...me }) {
  remembered.wanted = remember;
  remembered.write(key);
  const { signIns } = session.get();
  session.set({ key, me, names: null, made: null, refused: "", farewell: "", signIns: signIns + 1 });
  setBudget(budget);
}

// exchange goes on with the key that the user has got for an invitation. The invitation is no longer valid.
export function exchange(made) {
  remembered.write(made.key);
  session.set({ key: made.key, made });
}

export function setMe({ budget, ...me }) {
  session.set({ me });
  setBudget(budget);
}

export function signOut(farewell = "") {
  remembered.write(null);
  session.set({ ...signedOut, farewell, signIns: session.get().signIns + 1 });
}

// refuse asks for a key again. All views keep their state and their input.
export function refuse(why) {
  remembered.write(null);
  session.set({ key: null, refused: why });
}

// notify shows the result of an action, with a button that calls undo, if it is given.
export const notify = (text, undo) => session.set({ notice: { text, undo } });

export function setBudget({ limit, window, left, reset }) {
  const at = Date.now();
  session.set({ budget: { limit, window, left, at, until: reset ? at + reset * 1000 : 0 } });
}
