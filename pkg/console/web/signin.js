// Signing in.

import { call, Failure } from "./api.js";
import { Field, Problem, useAction, useTitle } from "./parts.js";
import { html, useState } from "./preact.js";
import { session, signIn, signOut } from "./session.js";

// SignIn asks for a key, at first and each time the API no longer accepts it.
export function SignIn() {
  const { refused, farewell } = session.use();
  const [key, setKey] = useState("");
  const [remember, setRemember] = useState(false);
  const action = useAction();
  useTitle("Sign in");
  const submit = async (event) => {
    event.preventDefault();
    await action.run(async () => {
      const typed = key.trim();
      if (!/^gob_[0-9A-Za-z]+$/.test(typed)) {
        throw new Failure("invalid", "", {
          fields: {
            api_key: ["This is not an API key: a key is gob_ followed by letters and digits. Copy all of it."],
          },
        });
      }
      let me;
      try {
        me = await call("GET", "me/", undefined, { key: typed });
      } catch (error) {
        if (error.kind !== "session") throw error;
        throw new Failure("invalid", "", {
          fields: {
            api_key: ["The API does not accept this key. Check that you copied all of it, " +
              "or ask your administrator for another one."],
          },
        });
      }
      signIn(typed, remember, me);
    });
  };
  const fieldFailure = action.failure?.kind === "invalid" ? action.failure : null;
  return html`<main class="signin">
    <h1>Sign in to Goblins Secrets</h1>
    ${refused && html`<p class="problem" role="alert">${refused}</p>`}
    ${farewell && html`<p class="quiet" role="status">${farewell}</p>`}
    <form onSubmit=${submit}>
      <${Field} label="API key" name="api_key" type="password"
        hint="Paste your key, or the invitation that you got. It stays in this tab."
        value=${key} onInput=${setKey} failure=${fieldFailure} focus />
      <label class="check">
        <input type="checkbox" checked=${remember} onChange=${(event) => setRemember(event.target.checked)} />
        <span>Remember the key until this tab is closed, even if the page is reloaded</span>
      </label>
      ${!fieldFailure && html`<${Problem} failure=${action.failure} />`}
      <div class="buttons">
        ${refused && html`<button type="button" onClick=${() => signOut()}>Discard changes and sign out</button>`}
        <button type="submit" class="primary" disabled=${action.busy}>${
          action.busy ? "Signing in …" : "Sign in"}</button>
      </div>
    </form>
  </main>`;
}
