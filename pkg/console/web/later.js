// The script that is loaded when one of these parts is first needed: see lazy.js.

export { BinView } from "./bin.js";
export { CompareView } from "./compare.js";
export { Conflict, findConflict } from "./conflict.js";
export { DeleteVersion, HistoryDialog, RollbackDialog } from "./history.js";
export { Doubts, DownloadDialog } from "./download.js";
export { ImportDialog } from "./import.js";
