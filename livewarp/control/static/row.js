// A row: one knob with its label, its control, its star and its reset.

import { icon, make, title } from "/dom.js";
import { KINDS } from "/kinds.js";
import { entry } from "/search.js";
import { WORDS, word } from "/words.js";

// knob: as the daemon describes it. tab: where it stands, for the search. acts: change(name, value), grab(name),
// release(name), value(name), reset(names), hint(text), star(name).
export function makeRow(name, knob, tab, acts) {
  const id = `parameter-${name}`;
  const kind = KINDS[knob.type];
  const home = knob.initial;
  const called = title(name);
  const { input, side, body, show } = kind.draw({ ...knob, name }, {
    change: (value) => acts.change(name, value),
    grab: () => acts.grab(name),
    release: () => acts.release(name),
    redraw: () => show(acts.value(name)),
  });
  input.id = id;
  input.setAttribute("aria-describedby", `${id}-help`);
  const group = input.getAttribute("role") === "radiogroup"; // has labels of its own
  const label = make(group ? "span" : "label", { class: "row-label", for: group ? null : id, id: `${id}-label` }, called);
  if (group) input.setAttribute("aria-labelledby", `${id}-label`);
  const limit = make("span", { class: "limit", hidden: "" });
  const reset = make("button", { type: "button", class: "quiet square reset", "aria-label": word("reset.one", { name: called }), title: word("reset.to", { value: kind.text(home) }) }, icon("reset", "icon small"));
  const star = make("button", { type: "button", class: "quiet square star", "aria-pressed": "false" }, icon("star", "icon small"));
  const item = make(
    "li",
    { class: "row", "data-name": name, "data-kind": knob.type },
    make("div", { class: "row-head" }, label, limit, star, reset, ...(side ? [side] : [])),
    ...body,
    make("span", { id: `${id}-help`, class: "visually-hidden" }, knob.help),
  );

  const back = () => acts.reset([name]);
  reset.addEventListener("click", () => {
    (input.matches("input, select") ? input : input.querySelector("input:checked"))?.focus(); // the button goes away
    back();
  });
  for (const target of kind.doubleClick ? [label, input] : [label]) target.addEventListener("dblclick", back);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Delete" && event.key !== "Backspace") return;
    if (input === side && knob.type === "name") return; // a text is being edited
    event.preventDefault();
    back();
  });
  star.addEventListener("click", () => acts.star(name));
  const tip = kind.tip && WORDS[kind.tip];
  for (const event of ["pointerenter", "focusin"]) item.addEventListener(event, () => acts.hint(`${knob.help} ${tip}`.trim()));

  const row = {
    name, item, home, moved: false, group: knob.group, tab,
    entry: entry(name, `${called} ${title(knob.group)}`, `${knob.keywords.join(" ")} ${tab} ${(knob.ends ?? []).join(" ")}`, knob.help),
    show(value) {
      show(value);
      row.moved = value !== home;
      item.classList.toggle("moved", row.moved);
    },
    // share: how much of it is held back where knobs pull at the same place; 0: nothing.
    limited(share) {
      const percent = Math.round(100 * (1 - share));
      limit.hidden = !share;
      limit.textContent = share ? word("number.limited", { percent }) : "";
      limit.title = share ? word("number.limited.help", { percent }) : "";
      input.style.setProperty("--limit", share);
    },
    starred(on) {
      star.setAttribute("aria-pressed", String(on));
      star.setAttribute("aria-label", word(on ? "star.off" : "star.on", { name: called }));
    },
  };
  row.starred(false);
  return row;
}
