// The keys of all secrets, to search in.

import { all, eachOf } from "./api.js";
import { session } from "./session.js";

const atOnce = 6; // lists that are read at the same time

// readKeys reads the keys of secrets into the session, and reports its progress there.
export async function readKeys(secrets) {
  const found = new Map();
  const { signIns } = session.get();
  session.set({ keys: null });
  const progress = (at) => session.get().signIns === signIns && session.set({ keys: { found, at } });
  // Without a time, the list is not complete.
  await eachOf(secrets, atOnce, async (secret) => {
    let keys = [];
    try {
      await all(`secrets/${secret.id}/items/`, (items) => (keys = items.map((item) => item.key)));
    } catch (failure) {
      if (failure.kind !== "missing") throw failure; // it was deleted meanwhile
    }
    found.set(secret.id, keys);
    progress();
  });
  progress(new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
}
