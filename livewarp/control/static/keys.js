// The keys: what they do, and the sheet that tells.

import { element, make } from "/dom.js";
import { word } from "/words.js";

// In the order of the sheet: the keys as they are shown, and the key of the words.
const SHEET = [
  [["/"], "keys.search"],
  [["Enter"], "keys.first"],
  [["Esc"], "keys.leave"],
  [["1", "…", "9"], "keys.tab"],
  [["←", "→"], "keys.step"],
  [["Page Up", "Page Down"], "keys.leap"],
  [["Shift"], "keys.fine"],
  [["Delete"], "keys.reset"],
  [["Ctrl", "Z"], "keys.undo"],
  [["Ctrl", "Shift", "Z"], "keys.redo"],
  [["Ctrl", "S"], "keys.save"],
  [["\\"], "keys.before"],
  [["C"], "keys.compare"],
  [["F"], "keys.zoom"],
  [["B"], "keys.blank"],
  [["?"], "keys.sheet"],
];

export function showKeys() {
  const rows = SHEET.map(([keys, what]) => {
    const caps = keys.map((key) => make("kbd", {}, key));
    return make("div", {}, make("dt", {}, ...caps), make("dd", {}, word(what)));
  });
  element("keys-list").replaceChildren(...rows);
  element("keys").showModal();
}

// Whether the person writes, chooses or answers a question: then keys are theirs.
const busy = (target) =>
  target.closest?.("input:not([type=range], [type=checkbox], [type=color], [type=radio]), select, textarea, dialog, .menu");

// on: by key, what it does: with "ctrl+" and "shift+" before it where they are held.
export function listen(on, released) {
  document.addEventListener("keydown", (event) => {
    if (busy(event.target) || event.altKey) return;
    const held = event.ctrlKey || event.metaKey ? `ctrl+${event.shiftKey ? "shift+" : ""}` : "";
    const does = on[held + (held ? event.key.toLowerCase() : event.key)];
    if (!does || (event.repeat && !held)) return;
    event.preventDefault();
    does();
  });
  document.addEventListener("keyup", (event) => released[event.key]?.());
}
