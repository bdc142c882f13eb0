// The services that use a secret: to attach, move and remove them, and what they need to read it.

import { call, find } from "./api.js";
import { copy } from "./clipboard.js";
import { Field, FormDialog, Menu, Problem, useAction, useList } from "./parts.js";
import { html, useState } from "./preact.js";
import { useRights } from "./rights.js";
import { remove } from "./secrets.js";
import { notify } from "./session.js";
import { snippets } from "./snippets.js";

// Users are the services that use the secret.
export function Users({ users, open }) {
  const { can, names } = useRights();
  return html`<section aria-labelledby="users">
    <div class="bar">
      <h2 id="users">Used by</h2>
      ${names && html`<button onClick=${() => open({ kind: "attach" })}>Attach a service</button>`}
    </div>
    <${Problem} failure=${users.failure} retry=${users.reload} />
    ${!users.done && !users.failure && html`<p class="quiet">Loading …</p>` /* it keeps the layout stable */}
    ${users.done && users.data.length === 0 &&
      html`<p class="quiet">No service uses this secret, so it is not delivered.</p>`}
    ${users.data.length > 0 && html`<ul class="rows" aria-label="Services">
      ${users.data.map((service) => html`<li class="row" key=${service.id}>
        <div class="grow users"><strong translate=${false}>${service.name}</strong>${" "}
          <span class="quiet"><bdi translate=${false}>${service.image}</bdi>, port ${service.port}</span></div>
        ${can("write") && html`<${Menu} label=${`More actions for service ${service.name}`}>
          <button onClick=${() => open({ kind: "move", service })}
            aria-label=${`Move service ${service.name}`}>Move to another secret</button>
          <button class="danger" onClick=${() => open({ kind: "remove", service })}
            aria-label=${`Remove service ${service.name}`}>Remove</button>
        <//>`}
      </li>`)}
    </ul>`}
  </section>`;
}

// Bundle says where services read the secret, and how.
export function Bundle({ secret, items }) {
  const { bundle } = secret;
  if (!bundle) return null;
  return html`<section aria-labelledby="bundle">
    <h2 id="bundle">Read it in AWS Secrets Manager</h2>
    <dl>
      ${[["Name", bundle.name], ["ARN", bundle.arn], ["Region", bundle.region]].map(([label, text]) => html`
        <dt>${label}</dt>
        <dd><code translate=${false}>${text}</code> <${CopyText} label=${`Copy ${label}`} text=${text} /></dd>`)}
    </dl>
    <details class="snippets"><summary>Policy and configuration</summary>
      <p class="hint">If your administrator has set a key for bundles, the role also needs kms:Decrypt on it.</p>
      ${snippets(bundle, items.map((item) => item.key)).map(([title, text]) => html`
        <div class="bar"><h3>${title}</h3><${CopyText} label=${`Copy ${title}`} text=${text} /></div>
        <pre class="value" translate=${false} tabindex="0" aria-label=${title}>${text}</pre>`)}
    </details>
  </section>`;
}

const CopyText = ({ label, text }) => html`<button aria-label=${label} onClick=${async () =>
  notify((await copy(text)) ? "Copied" : "The browser did not allow the copy. Select the text and copy it yourself.")
}>Copy</button>`;

export function AttachService({ secret, onClose, done, onLost }) {
  const [fields, setFields] = useState({ name: "", image: "", port: "", config: "" });
  const action = useAction(onLost);
  const act = async (mine) => {
    const { config, ...known } = fields;
    done((await find("services/", { name: fields.name, secret }, mine)) ??
      (await call("POST", "services/", { ...known, config: config || null, secret })));
  };
  const field = (label, name, hint, focus) => html`<${Field} label=${label} name=${name} hint=${hint} focus=${focus}
    value=${fields[name]} failure=${action.failure} onInput=${(text) => setFields((f) => ({ ...f, [name]: text }))} />`;
  return html`<${FormDialog} title="Attach a service" submit="Attach"
    what=${JSON.stringify(fields)} action=${action} act=${act} onClose=${onClose}
    dirty=${Object.values(fields).some((text) => text !== "")}>
    <p>The product runs no containers: a service is a name for what reads this secret.</p>
    ${field("Name", "name", "Lowercase letters, digits and hyphens, such as shop-api.", true)}
    ${field("Image", "image", "A container image, such as registry.example.com/shop:v1.")}
    ${field("Port", "port", "1 to 65535.")}
    ${field("Config", "config", "Optional: an id of your own.")}
  <//>`;
}

export function MoveService({ service, onClose, done, onLost, take, at }) {
  const secrets = useList("secrets/");
  const [secret, setSecret] = useState("");
  const action = useAction(onLost);
  const act = async (_, tag, before) =>
    done(await call("PATCH", `services/${service.id}/`, { secret }, { tag }), before);
  return html`<${FormDialog} title="Move service" submit="Move" ready=${secret !== ""} action=${action} act=${act}
    guard=${{ kind: "service", shown: service, take, at }} what=${secret} onClose=${onClose}>
    <p><strong translate=${false}>${service.name}</strong> then reads the other secret, and no longer this one.</p>
    <${Problem} failure=${secrets.failure} retry=${secrets.reload} />
    <label>Secret <select value=${secret} onChange=${(event) => setSecret(event.target.value)} translate=${false}>
      <option value="">${secrets.done ? "Choose a secret" : "Loading …"}</option>
      ${secrets.data.filter((s) => s.id !== service.secret).map((s) => html`<option value=${s.id}>${s.name}</option>`)}
    </select></label>
  <//>`;
}

export function RemoveService({ service, onClose, done, onLost, take, at }) {
  const action = useAction(onLost);
  const act = async (mine, tag) => {
    await remove(`services/${service.id}/`, mine, tag);
    done();
  };
  return html`<${FormDialog} title="Remove service" submit="Remove" danger action=${action} act=${act}
    guard=${{ kind: "service", shown: service, take, at }} onClose=${onClose}>
    <p>This removes <strong translate=${false}>${service.name}</strong> here. After the last service, the secret is no
      longer delivered, and its bundle is scheduled for deletion.</p>
  <//>`;
}
