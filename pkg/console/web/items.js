// The items of a secret.

function ItemRow({ item, open, onItem }) {
  const { budget } = session.use();
  const reveal = useReveal(item, onItem);
  const throttled = reveal.failure?.kind === "throttled";
  const spent = budget?.left === 0 && budget.until > Date.now();
  return html`<li class="row item">
    <div class="grow">
      <h3 class="key">${item.key}</h3>
      <p class="quiet"><${LastRead} item=${item} /> · changed <${Time} at=${item.updated_at} /></p>
    </div>
    ${reveal.value === undefined
      ? html`<div class="masked">
          <span class="mask" aria-label="Value is hidden" role="img">••••••••</span>
          <button onClick=${reveal.show} disabled=${reveal.busy || spent} aria-label=${`Show value of ${item.key}`}>${reveal.busy ? "Asking …" : "Show"}</button>
        </div>`
      : html`<${Shown} item=${item} reveal=${reveal} />`}
    ${throttled ? html`<${Spent} reveal=${reveal} />` : html`<${Problem} failure=${reveal.failure} />`}
    <div class="buttons">
      <button onClick=${() => open({ kind: "edit", item, value: reveal.value })} aria-label=${`Edit value of ${item.key}`}>Edit</button>
      <button onClick=${() => open({ kind: "rename", item })} aria-label=${`Rename item ${item.key}`}>Rename</button>
      <button class="danger" onClick=${() => open({ kind: "delete", item })} aria-label=${`Delete item ${item.key}`}>Delete</button>
    </div>
  </li>`;
}

// LastRead tells who has read an item last. The API has ids of users, not names.
function LastRead({ item }) {
  const { user } = session.use();
  if (!item.last_accessed_at) return html`<span>Last read: never</span>`;
  const by = item.last_accessed_by;
  return html`<span>Last read <${Time} at=${item.last_accessed_at} /> by ${by === user ? html`<span title=${by}>you</span>` : html`<code title=${by}>…${by.slice(-6)}</code>`}</span>`;
}

const itemPath = (item) => `secrets/${item.secret}/items/${item.id}/`;

function AddItem({ secret, onClose, done }) {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const action = useAction();
  const act = async () => done(await call("POST", `secrets/${secret}/items/`, { key, value }));
  return html`<${FormDialog} title="Add item" submit="Add" action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Key" name="key" hint="Letters, digits, dots, underscores and hyphens, such as DATABASE_PASSWORD." value=${key} onInput=${setKey} failure=${action.failure} focus />
    <${ValueField} value=${value} onInput=${setValue} failure=${action.failure} />
  <//>`;
}

const ValueField = (props) => html`<${Field} label="Value" name="value" hint="Kept as it is, with every space and line break; up to 64 KiB." lines="4" ...${props} />`;

// EditItem gives an item another value. It begins with the one that is shown, if one is.
function EditItem({ item, value: shown = "", onClose, done }) {
  // A text area would turn its carriage returns into other line breaks.
  const fits = !shown.includes("\r");
  const [value, setValue] = useState(fits ? shown : "");
  const action = useAction();
  const act = async () => done(await call("PATCH", itemPath(item), { value }));
  return html`<${FormDialog} title="Edit value" submit="Save" action=${action} act=${act} onClose=${onClose}>
    <p>A new value of <strong class="key">${item.key}</strong>. The one before will be gone.</p>
    ${!fits && html`<p class="hint">The present value has carriage returns, which can’t be edited here.</p>`}
    <${ValueField} value=${value} onInput=${setValue} failure=${action.failure} focus />
  <//>`;
}

function RenameItem({ item, onClose, done }) {
  const [key, setKey] = useState(item.key);
  const action = useAction();
  const act = async () => done(await call("PATCH", itemPath(item), { key }));
  return html`<${FormDialog} title="Rename item" submit="Rename" action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Key" name="key" value=${key} onInput=${setKey} failure=${action.failure} focus />
  <//>`;
}

function DeleteItem({ item, onClose, done }) {
  const action = useAction();
  const act = async () => {
    await call("DELETE", itemPath(item));
    done();
  };
  return html`<${FormDialog} title="Delete item" submit="Delete for good" danger action=${action} act=${act} onClose=${onClose}>
    <p>This deletes <strong class="key">${item.key}</strong> and its value, for good.</p>
  <//>`;
}
