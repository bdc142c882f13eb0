// The keys of all secrets, to search in.

import { all } from "./api.js";
import { session } from "./session.js";

const atOnce = 6; // lists that are read at the same time

// readKeys reads the keys of secrets into the session, and reports its progress there.
export async function readKeys(secrets) {
  const found = new Map();
  const waiting = [...secrets];
  const { signIns } = session.get();
  session.set({ keys: null });
  const progress = (done, at) => session.get().signIns === signIns && session.set({ keys: { found, done, at } });
  const reader = async () => {
    for (let secret = waiting.shift(); secret; secret = waiting.shift()) {
      let keys = [];
      try {
        await all(`secrets/${secret.id}/items/`, (items) => (keys = items.map((item) => item.key)));
      } catch (failure) {
        if (failure.kind !== "missing") throw failure; // it was deleted meanwhile
      }
      found.set(secret.id, keys);
      progress(found.size);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, reader));
  progress(found.size, new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
}
