// The list of secrets, and what can be done to one of them as a whole.

function SecretsView() {
  const { search } = session.use();
  const list = useList("secrets/");
  const [dialog, setDialog] = useState(null); // {kind, secret}
  useStatus(list.data, (secret) => list.change(put(secret)));
  // What else the page shows can wait until the list is there.
  useEffect(() => {
    if (list.done && !session.get().budget) refreshBudget();
  }, [list.done]);
  const found = list.data.filter((s) => matches(s.name, search));
  const close = () => setDialog(null);
  return html`<main>
    <div class="bar">
      <h1 tabindex="-1">Secrets</h1>
      <${Search} label="Search secrets by name" value=${search} onInput=${(text) => session.set({ search: text })}
        onEnter=${() => found.length && navigate(`secrets/${found[0].id}`)} />
      <button class="primary" onClick=${() => setDialog({ kind: "create" })}>New secret</button>
    </div>
    <${Problem} failure=${list.failure} retry=${list.reload} />
    ${!list.done && !list.failure && list.data.length === 0 && html`<p class="quiet">Loading …</p>`}
    ${list.done && list.data.length === 0 && html`<p class="empty">There is no secret yet. Make one with “New secret”: it is a named bundle of keys and values.</p>`}
    ${list.data.length > 0 && found.length === 0 && html`<p class="empty">No name has “<bdi>${search.trim()}</bdi>” in it. Press Esc in the search to see all of them.</p>`}
    ${found.length > 0 && html`<ul class="rows" aria-label="Secrets">
      ${found.map((secret) => html`<${SecretRow} key=${secret.id} secret=${secret} open=${setDialog} />`)}
    </ul>`}
    ${list.data.length > 0 && html`<p class="quiet">${search ? `${found.length} of ${count(list.data.length, "secret")}` : count(list.data.length, "secret")}${list.done ? "" : ", loading more …"}</p>`}
    ${dialog?.kind === "create" && html`<${NameDialog} onClose=${close} done=${(secret) => { list.change(put(secret)); notify("The secret was made."); }} />`}
    ${dialog?.kind === "rename" && html`<${NameDialog} secret=${dialog.secret} onClose=${close} done=${(secret) => { list.change(put(secret)); notify("The secret was renamed."); }} />`}
    ${dialog?.kind === "delete" && html`<${DeleteSecret} secret=${dialog.secret} onClose=${close} done=${() => list.change(drop(dialog.secret.id))} />`}
  </main>`;
}

function SecretRow({ secret, open }) {
  return html`<li class="row">
    <div class="grow">
      <${Link} to=${`secrets/${secret.id}`} class="name"><bdi>${secret.name}</bdi><//>
      <p class="quiet">Made <${Time} at=${secret.created_at} /></p>
    </div>
    <div class="badges"><${SecretBadges} secret=${secret} /></div>
    <${SecretButtons} secret=${secret} open=${open} />
  </li>`;
}

const SecretBadges = ({ secret }) => html`
  ${secret.is_default && html`<span class="badge" title="What services use that name no other. It can't be deleted.">Default</span>`}
  <${Status} secret=${secret} />`;

// SecretButtons open the dialogs of a secret. Their labels name it, for those who hear the page.
const SecretButtons = ({ secret, open }) => html`<div class="buttons">
  <button onClick=${() => open({ kind: "rename", secret })} aria-label=${`Rename secret ${secret.name}`}>Rename</button>
  ${!secret.is_default && html`<button class="danger" onClick=${() => open({ kind: "delete", secret })} aria-label=${`Delete secret ${secret.name}`}>Delete</button>`}
</div>`;

// NameDialog makes a secret, or gives one another name.
function NameDialog({ secret, onClose, done }) {
  const [name, setName] = useState(secret?.name ?? "");
  const action = useAction();
  const act = async () => done(await (secret ? call("PATCH", `secrets/${secret.id}/`, { name }) : call("POST", "secrets/", { name })));
  return html`<${FormDialog} title=${secret ? "Rename secret" : "New secret"} submit=${secret ? "Rename" : "Create"} action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Name" name="name" hint="Up to 255 characters, and no other secret’s name." value=${name} onInput=${setName} failure=${action.failure} focus />
  <//>`;
}

// DeleteSecret wants the name typed: what is deleted is gone.
function DeleteSecret({ secret, onClose, done }) {
  const [typed, setTyped] = useState("");
  const action = useAction();
  const act = async () => {
    await call("DELETE", `secrets/${secret.id}/`);
    done();
    notify("The secret was deleted.");
  };
  return html`<${FormDialog} title="Delete secret" submit="Delete for good" danger ready=${typed === secret.name} action=${action} act=${act} onClose=${onClose}>
    <p>This deletes <strong class="name"><bdi>${secret.name}</bdi></strong> and all its items, for good. Nobody can undo it.</p>
    <${Field} label="Type the secret’s name to confirm" name="confirmation" value=${typed} onInput=${setTyped} focus />
  <//>`;
}
