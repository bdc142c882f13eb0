// You: whose key this is, what it may do, and the user's other keys.

import { Keys } from "./apikeys.js";
import { Marked, useTitle } from "./parts.js";
import { html } from "./preact.js";
import { RightsList, sameSecrets } from "./rights.js";
import { session } from "./session.js";
import { count, duration } from "./text.js";

export function YouView() {
  const { me, budget } = session.use();
  useTitle("You");
  if (!me) return html`<main><h1 tabindex="-1">You</h1><p class="quiet">Loading …</p></main>`;
  const { account, user, key } = me;
  const narrower = me.permissions.length < user.permissions.length || !sameSecrets(me.secrets, user.secrets);
  return html`<main key="you">
    <div class="bar">
      <h1 tabindex="-1" class="name"><${Marked} text=${user.name} /></h1>
      <div class="badges"><span class="badge">${user.kind === "machine" ? "Machine" : "Person"}</span></div>
    </div>
    <dl class="facts">
      <dt>Account</dt><dd class="name"><${Marked} text=${account.name} /></dd>
      ${user.email && html`<dt>Email</dt><dd><bdi translate=${false}>${user.email}</bdi></dd>`}
      <dt>Signed in with</dt><dd><span>the key <strong class="name"><${Marked} text=${key.name} /></strong></span></dd>
      <dt>This key may</dt><dd><${RightsList} rights=${me} /></dd>
      ${narrower && html`<dt>You may</dt><dd><${RightsList} rights=${user} /></dd>`}
      ${budget && me.permissions.includes("reveal") &&
        html`<dt>Reveals</dt><dd><span>${budget.left} of ${budget.limit} left, in any ${
        duration(budget.window)}, with all your keys together</span></dd>`}
    </dl>
    <${Keys} user=${user} />
  </main>`;
}
