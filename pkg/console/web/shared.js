// What the script later.js imports from this one. Its modules import nothing else of it.

export { all, call, eachOf, Failure, refreshMe, serverTime } from "./api.js";
export { itemPath } from "./items.js";
export { Name } from "./names.js";
export {
  asFailure, Dialog, Discard, drop, Field, FormDialog, Link, Marked, Problem, saveFile, saves, Time, useAction,
  useDiscard, useList, useOne, useTitle,
} from "./parts.js";
export { place, refine } from "./place.js";
export { html, useEffect, useMemo, useRef, useState } from "./preact.js";
export { useRights } from "./rights.js";
export { MayNot, remove } from "./secrets.js";
export { sentence } from "./sentence.js";
export { notify, session } from "./session.js";
export { byName, count, exactly, seen, sentences } from "./text.js";
export { Revealed, RevealButtons, useReveal } from "./value.js";
