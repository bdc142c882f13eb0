// An invitation: it can do nothing but become a key.

import { KeyText, rightsOf } from "./apikeys.js";
import { call } from "./api.js";
import { Discard, Field, Marked, Problem, useAction, useDiscard, useTitle } from "./parts.js";
import { html, useState } from "./preact.js";
import { summary } from "./rights.js";
import { exchange, session, setMe, signOut } from "./session.js";

// InvitationView exchanges the invitation that the user is signed in with, and shows the key that it became. The
// session goes on with that key.
export function InvitationView() {
  const { me, made } = session.use();
  const [name, setName] = useState("First key");
  const action = useAction();
  useTitle("Invitation");
  if (made) return html`<${Arrived} made=${made} />`;
  const submit = async (event) => {
    event.preventDefault();
    await action.run(async () => exchange(await call("POST", "keys/", { name })));
  };
  return html`<main class="signin" key="invitation">
    <h1 tabindex="-1">Welcome, <bdi translate=${false}><${Marked} text=${me.user.name} /></bdi></h1>
    <p>You are invited to the account <strong class="name"><${Marked} text=${me.account.name} /></strong>${" "}
      as ${summary(rightsOf(me.key, me.user))}. Make your key: from then on you sign in with it. The invitation can be
      used only once.</p>
    <form onSubmit=${submit}>
      <${Field} label="Name of your key" name="name" hint="Where you use it, such as laptop." value=${name}
        onInput=${setName} failure=${action.failure} focus />
      <${Problem} failure=${action.failure} />
      <div class="buttons">
        <button type="button" onClick=${() => signOut()}>Sign out</button>
        <button type="submit" class="primary" disabled=${action.busy}>${
          action.busy ? "Working …" : "Make my key"}</button>
      </div>
    </form>
  </main>`;
}

function Arrived({ made }) {
  const [copied, setCopied] = useState(false);
  const action = useAction();
  const leave = () => action.run(async () => {
    setMe(await call("GET", "me/"));
    session.set({ made: null, signIns: session.get().signIns + 1 });
  });
  const discard = useDiscard(!copied, action.busy, leave);
  return html`<main class="signin" key="arrived">
    <h1 tabindex="-1">Your key</h1>
    <p>Keep it where you keep passwords: you need it to sign in again. If you lose it, ask your administrator for
      another invitation.</p>
    <${KeyText} text=${made.key} onCopied=${() => setCopied(true)} />
    <${Problem} failure=${action.failure} />
    ${discard.asking
      ? html`<${Discard} discard=${discard} onClose=${leave} question="You have not copied your key. Go on anyway?"
        keep="Go back" lose="Go on" />`
      : html`<div class="buttons end"><button class="primary" onClick=${discard.close}
        disabled=${action.busy}>Go on</button></div>`}
  </main>`;
}
