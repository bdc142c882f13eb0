// What all views share: who is signed in, and what is left of the budget.

const { h, render } = preact;
const { useState, useEffect, useLayoutEffect, useMemo, useRef } = preactHooks;
const html = htm.bind(h);

// store keeps a state that is drawn anew wherever it is used when it changes.
function store(state) {
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

// The key is in memory. If asked, it is in the tab's session storage too, which ends with
// the tab; it is never in an address, a cookie, or what outlives the tab.
const remembered = {
  name: "goblins-secrets.key",
  read() {
    try {
      return sessionStorage.getItem(this.name);
    } catch {
      return null; // the browser keeps nothing
    }
  },
  write(key) {
    try {
      if (key) sessionStorage.setItem(this.name, key);
      else sessionStorage.removeItem(this.name);
    } catch {
      // then it is not remembered
    }
  },
};

const nobody = {
  key: null,
  refused: "", // why the key is asked for again while its user's work is still there
  signIns: 0, // whatever was loaded with another key is loaded anew
  user: null, // the key's user, known from the first reveal on
  budget: null, // {limit, window, left, until}: until is when the next reveal comes back, in ms
  notice: "", // what was done last
  search: "", // in the list of secrets
};
const session = store({ ...nobody, key: remembered.read() });

function signIn(key, remember) {
  remembered.write(remember ? key : null);
  session.set({ key, refused: "", user: null, signIns: session.get().signIns + 1 });
}

function signOut() {
  remembered.write(null);
  session.set({ ...nobody, signIns: session.get().signIns + 1 });
}

// refuse asks for a key again. All views stay as they are, with what was typed in them.
function refuse(why) {
  remembered.write(null);
  session.set({ key: null, refused: why });
}

const notify = (notice) => session.set({ notice });

function setBudget({ limit, window, left, reset }) {
  session.set({ budget: { limit, window, left, until: reset ? Date.now() + reset * 1000 : 0 } });
}
