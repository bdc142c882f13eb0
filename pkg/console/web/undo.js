// What “Undo” in a notice does: it changes an object back.

import { call } from "./api.js";
import { later } from "./lazy.js";
import { asFailure } from "./parts.js";
import { notify, session } from "./session.js";
import { seen } from "./text.js";

// resting calls act with the tag of what the user has seen: guard.shown, an object as the page shows it; see
// conflict.js. If another client has changed the object, but nothing of it that the user has seen, it calls act again
// with the new tag. Else the failure has the conflict. shown is kept in guard.
export async function resting(guard, act) {
  for (;;) {
    try {
      return await act(guard.shown?.etag, guard.shown);
    } catch (failure) {
      if (!guard.kind || failure.kind !== "changed") throw failure;
      const found = await (await later()).findConflict(guard);
      if (found.changes.length > 0) throw Object.assign(failure, { conflict: found });
      guard.shown = found.fresh;
    }
  }
}

// undoing returns a function that undoes a change of an object, unless another client has changed it since. All views
// load again what they show.
const undoing = (guard, act) => async () => {
  const { key } = session.get();
  try {
    await resting(guard, act);
    if (session.get().key === key) session.set({ undone: session.get().undone + 1 });
    notify("Undone");
  } catch (error) {
    notify(why(asFailure(error)));
  }
};

function why({ kind, message, fields, conflict }) {
  if (kind === "changed") {
    const who = seen(conflict?.event?.user?.name ?? "") || "Another client";
    return `Not undone: ${who} changed it meanwhile.`;
  }
  if (kind === "missing") return "Not undone: it was deleted, or is no longer in the bin.";
  if (Object.keys(fields).length > 0) return `Not undone. ${Object.values(fields).flat().join(" ")}`;
  return `Not undone. ${message}`;
}

const restoring = (path) => undoing({}, () => call("POST", `${path}restore/`, {}));

// changing undoes the change of a field.
const changing = (kind, field) => (after, before) => {
  if (after[field] === before[field]) return undefined;
  return undoing({ kind, shown: after, at: Date.now() },
    (tag) => call("PATCH", `${kind}s/${after.id}/`, { [field]: before[field] }, { tag }));
};

// Each is undefined if there is nothing to undo. before and after are an object before and after its change.
export const undo = {
  item(after, before, path) {
    if (after.key === before.key && after.version === before.version) return undefined;
    return undoing({ kind: "item", shown: after }, (tag) => (after.key !== before.key
      ? call("PATCH", path, { key: before.key }, { tag })
      : call("POST", `${path}rollback/`, { version: before.version }, { tag })));
  },
  secret: changing("secret", "name"),
  service: changing("service", "secret"),
  deletion: restoring,
  // Services have no bin: another one is made of the same fields.
  removal: ({ name, image, port, config, secret }) =>
    undoing({}, () => call("POST", "services/", { name, image, port, config, secret })),
};
