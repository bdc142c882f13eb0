// The names of users, for the ids that other objects have.

import { all } from "./api.js";
import { Marked } from "./parts.js";
import { html, useEffect } from "./preact.js";
import { session } from "./session.js";

let wanted = new Set(); // ids to look for
let asked = new Set(); // ids that are looked for now
let looking = false;

// look reads the list of users for the wanted ids. Ids that it lacks belong to deleted users: an id never comes back.
async function look() {
  while (wanted.size > 0) {
    [asked, wanted] = [wanted, new Set()];
    const { signIns } = session.get();
    let users = [];
    try {
      await all("users/", (rows) => (users = rows));
    } catch {
      wanted = new Set(); // the ids are asked for again when the tab is used again
      break;
    }
    if (session.get().signIns !== signIns) continue;
    const found = new Map(users.map((user) => [user.id, user.name]));
    const missing = new Set([...(session.get().names?.missing ?? []), ...[...asked].filter((id) => !found.has(id))]);
    session.set({ names: { found, missing } });
  }
  asked = new Set();
  looking = false;
}

function want(id) {
  if (asked.has(id)) return;
  wanted.add(id);
  if (!looking) setTimeout(look); // with the ids of the whole page
  looking = true;
}

// Name is the name of the user with an id. What no user did, an operator of the deployment did.
export function Name({ id }) {
  const { me, names } = session.use();
  const own = me?.user.id === id;
  const known = names?.found.get(id);
  const missing = names?.missing.has(id);
  useEffect(() => {
    if (me && id && !own && known === undefined && !missing) want(id);
  }, [me, id, known, missing]);
  if (!id) return html`<span>an operator</span>`;
  if (own) return html`<span title=${id}>you</span>`;
  if (known !== undefined) return html`<span title=${id}><${Marked} text=${known} /></span>`;
  if (missing) return html`<span title=${id}>deleted user</span>`;
  return html`<code title=${id} translate=${false}>…${id.slice(-6)}</code>`;
}
