// What few visits need is in another script, later.js, which is loaded when it is first needed.

import { Failure } from "./api.js";
import { asFailure, Dialog, Problem } from "./parts.js";
import { html, useEffect, useState } from "./preact.js";

let loaded = null;
let loading = null;
let tries = 0;

// later loads the other script, once, and returns what it exports.
export function later() {
  loading ??= load();
  return loading;
}

async function load() {
  try {
    const address = `./later.js${tries++ > 0 ? `?${tries}` : ""}`; // browsers keep the failure of an address
    loaded = await import(address);
    return loaded;
  } catch {
    loading = null;
    throw new Failure("broken",
      "This part of the page could not be loaded. Check the connection, then try again, or reload the page.");
  }
}

// Later draws a component of the other script by its name.
export function Later({ of, ...props }) {
  const [made, setMade] = useState(loaded);
  const [failure, setFailure] = useState(null);
  const get = async () => {
    setFailure(null);
    try {
      setMade(await later());
    } catch (error) {
      setFailure(asFailure(error));
    }
  };
  useEffect(() => {
    if (!made) get();
  }, []);
  if (made) return html`<${made[of]} ...${props} />`;
  const problem = html`<${Problem} failure=${failure} retry=${get} />`;
  if (!props.onClose) return html`<main key="later">${problem}</main>`;
  return failure && html`<${Dialog} title="Not loaded" onClose=${props.onClose}>${problem}<//>`;
}
