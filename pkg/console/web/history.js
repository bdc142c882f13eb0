// The history of an item: the kept versions of its value.

import {
  call, count, Dialog, FormDialog, html, itemPath, Name, Problem, Revealed, RevealButtons, remove, Time, useAction,
  useOne, useReveal, useRights,
} from "./shared.js";

// HistoryDialog lists the kept versions, the newest first. To show or to copy one is a reveal like that of the item.
export function HistoryDialog({ item, open, onItem, onClose }) {
  const { can } = useRights();
  const versions = useOne(`${itemPath(item)}versions/`);
  const rows = versions.data?.results ?? [];
  return html`<${Dialog} title=${`History of ${item.key}`} wide onClose=${onClose}>
    <div class="stack">
      <${Problem} failure=${versions.failure} retry=${versions.reload} />
      ${!versions.done && !versions.failure && html`<p class="quiet">Loading …</p>`}
      ${rows.length > 0 && html`<ul class="rows" aria-label="Versions">
        ${rows.map((version) => html`<${Version} key=${version.number} version=${version} item=${item} open=${open}
          onItem=${onItem} />`)}
      </ul>
      <p class="quiet">${count(rows.length, "version")}.${" "}
        ${can("reveal") && "Each “Show” and “Copy” is logged and charged, as that of the current value. "}
        The oldest are removed as new ones are written.</p>`}
      <div class="buttons end"><button onClick=${onClose}>Close</button></div>
    </div>
  <//>`;
}

function Version({ version, item, open, onItem }) {
  const { can } = useRights();
  const { number, current } = version;
  const of = {
    id: `${item.id} ${number}`, key: `${item.key}, version ${number}`, version: number,
    path: `${itemPath(item)}versions/${number}/`,
  };
  const reveal = useReveal(of, (_, fields) => onItem(item.id, fields));
  return html`<li class="row item" data-version=${number}>
    <div class="grow">
      <h3>Version ${number}${current && html` <span class="badge ready">Current</span>`}</h3>
      <p class="quiet">Written <${Time} at=${version.created_at} /> by <${Name} id=${version.created_by} /></p>
    </div>
    <${RevealButtons} item=${of} reveal=${reveal} />
    ${can("write") && !current && html`<div class="buttons">
      <button onClick=${() => open({ kind: "rollback", item, version })}
        aria-label=${`Restore version ${number} of ${item.key}`}>Restore</button>
      <button class="danger" onClick=${() => open({ kind: "destroy", item, version })}
        aria-label=${`Delete version ${number} of ${item.key}`}>Delete</button>
    </div>`}
    <${Revealed} item=${of} reveal=${reveal} />
  </li>`;
}

// RollbackDialog makes an older version the current one.
export function RollbackDialog({ item, version, onClose, done, onLost, take }) {
  const { number } = version;
  const action = useAction(onLost);
  const act = async (_, tag, before) => {
    const changed = await call("POST", `${itemPath(item)}rollback/`, { version: number }, { tag });
    return () => done(changed, before);
  };
  return html`<${FormDialog} title="Restore a version" submit="Restore" action=${action} act=${act} onClose=${onClose}
    guard=${{ kind: "item", shown: item, take }}>
    <p>Version ${number} of <strong class="key" translate=${false}>${item.key}</strong>, written <${Time}
      at=${version.created_at} />, becomes the current value. Services get it. The present value stays in the
      history.</p>
  <//>`;
}

// DeleteVersion removes an older version, such as a value that has leaked.
export function DeleteVersion({ item, version, onClose, done, onLost, take }) {
  const { number } = version;
  const action = useAction(onLost);
  const act = async (mine, tag) => {
    await remove(`${itemPath(item)}versions/${number}/`, mine, tag);
    return done;
  };
  return html`<${FormDialog} title="Delete a version" submit="Delete for good" danger action=${action} act=${act}
    onClose=${onClose} guard=${{ kind: "item", shown: item, take }}>
    <p>This deletes version ${number} of <strong class="key" translate=${false}>${item.key}</strong> at once and for
      good, for example because it has leaked. It does not go into the bin.</p>
  <//>`;
}
