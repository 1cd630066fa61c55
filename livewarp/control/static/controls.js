// The controls: a row for every parameter that the daemon describes, in groups by area.

import { element, icon, make } from "/dom.js";

const CLOSED = "livewarp.closed"; // the groups that are folded up, kept by the browser
const APART = new Set(["enabled", "mirror", "overlay"]); // have their switches below the picture
const MASTER = "strength";
const STEP = 0.01;

const title = (name) => (name[0].toUpperCase() + name.slice(1)).replaceAll("_", " ");
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class Controls {
  #values;
  #reset;
  #rows = new Map();
  #groups = new Map(); // area -> {details, count, reset, rows}
  #closed = new Set();

  // reset(names): back to the settings' values.
  constructor(values, reset) {
    this.#values = values;
    this.#reset = reset;
    try {
      this.#closed = new Set(JSON.parse(localStorage.getItem(CLOSED) ?? "[]"));
    } catch {
      // storage is forbidden, or holds something else: all groups are open
    }
    element("search").addEventListener("input", () => this.#search());
    element("search").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      element("search").value = "";
      this.#search();
    });
    document.addEventListener("keydown", (event) => {
      const writing = event.target.closest("input:not([type=range]):not([type=checkbox]), dialog, .menu");
      if (event.key !== "/" || writing || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      element("search").focus();
      element("search").select();
    });
    element("reset-all").addEventListener("click", () => this.#reset(null));
  }

  build(described) {
    this.#rows.clear();
    this.#groups.clear();
    const master = [];
    for (const [name, knob] of Object.entries(described)) {
      if (APART.has(name)) continue;
      const row = this.#row(name, knob);
      this.#rows.set(name, row);
      if (name === MASTER) master.push(row.item);
      else this.#group(knob.area).rows.push(row);
    }
    for (const group of this.#groups.values()) {
      group.details.append(make("ul", {}, ...group.rows.map((row) => row.item)));
    }
    element("master").replaceChildren(...master);
    element("groups").replaceChildren(...[...this.#groups.values()].map((group) => group.box));
    this.#search();
  }

  show(name, value) {
    const row = this.#rows.get(name);
    if (!row) return;
    row.show(value);
    const moved = value !== row.home;
    if (row.moved === moved) return;
    row.moved = moved;
    row.item.classList.toggle("moved", moved);
    this.#count(this.#groups.get(row.area));
  }

  #group(area) {
    const known = this.#groups.get(area);
    if (known) return known;
    const count = make("span", { class: "changed" });
    const details = make(
      "details",
      { class: "group-body" },
      make("summary", {}, icon("chevron", "icon small"), make("span", {}, area), count),
    );
    details.open = !this.#closed.has(area);
    details.addEventListener("toggle", () => this.#keepFold(area, details.open));
    const reset = make("button", { type: "button", class: "quiet reset-group", "aria-label": `Reset ${area}` }, "Reset");
    reset.hidden = true;
    const group = { area, details, count, reset, rows: [], box: make("div", { class: "group" }, details, reset) };
    reset.addEventListener("click", () => {
      details.querySelector("summary").focus(); // the button goes away
      this.#reset(group.rows.map((row) => row.name));
    });
    this.#groups.set(area, group);
    return group;
  }

  #count(group) {
    if (!group) return;
    const moved = group.rows.filter((row) => row.moved).length;
    group.count.textContent = moved ? `${moved} changed` : "";
    group.reset.hidden = !moved;
  }

  #keepFold(area, open) {
    if (element("search").value) return; // opened by the search, not by a person
    if (open) this.#closed.delete(area);
    else this.#closed.add(area);
    try {
      localStorage.setItem(CLOSED, JSON.stringify([...this.#closed]));
    } catch {
      // not kept
    }
  }

  #row(name, knob) {
    const id = `parameter-${name}`;
    const bool = knob.type === "bool";
    const home = knob.initial ?? knob.default;
    const label = make("label", { for: id, id: `${id}-label` }, title(name));
    const reset = make("button", { type: "button", class: "quiet reset", "aria-label": `Reset ${title(name)}`, title: `Back to ${home}` }, icon("reset", "icon small"));
    const help = make("span", { id: `${id}-help`, class: "visually-hidden" }, knob.help);
    const item = make(name === MASTER ? "div" : "li", { class: "row", "data-name": name });
    const row = { name, item, home, area: knob.area, moved: false, text: `${title(name)} ${knob.area}`.toLowerCase(), help: knob.help.toLowerCase() };
    const parts = bool ? this.#switch(row, id) : this.#slider(row, id, knob);
    item.append(label, ...parts, reset, help);
    const back = () => this.#reset([name]);
    reset.addEventListener("click", () => {
      element(id).focus(); // the button goes away
      back();
    });
    label.addEventListener("dblclick", back);
    const hint = () => (element("hint").textContent = `${knob.help} ${bool ? "" : "Double-click or Delete resets."}`);
    for (const event of ["pointerenter", "focusin"]) item.addEventListener(event, hint);
    row.input = parts[0];
    row.input.addEventListener("dblclick", back);
    row.input.addEventListener("keydown", (event) => {
      if (event.key !== "Delete" && event.key !== "Backspace") return;
      event.preventDefault();
      back();
    });
    return row;
  }

  #switch(row, id) {
    const input = make("input", { id, type: "checkbox", role: "switch", class: "check", "aria-describedby": `${id}-help` });
    input.addEventListener("change", () => this.#values.change(row.name, input.checked));
    row.show = (value) => (input.checked = value);
    return [input];
  }

  #slider(row, id, { min, max, unit }) {
    const { name } = row;
    const range = { min, max, step: STEP };
    const input = make("input", { id, type: "range", class: "slider", "aria-describedby": `${id}-help`, ...range });
    const field = make("input", {
      type: "number", class: "value", "aria-label": `${title(name)}, value${unit ? ` in ${unit}` : ""}`, ...range, step: "any",
    });
    const part = (value) => (clamp(value, min, max) - min) / (max - min);
    input.style.setProperty("--home", part(0));
    row.show = (value) => {
      input.value = value;
      input.style.setProperty("--from", part(Math.min(value, 0)));
      input.style.setProperty("--to", part(Math.max(value, 0)));
      if (document.activeElement !== field || !row.typing) field.value = Number(value.toFixed(3));
    };
    input.addEventListener("input", () => this.#values.change(name, Number(input.value)));
    input.addEventListener("pointerdown", () => this.#values.grab(name));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
      input.addEventListener(end, () => this.#values.release(name));
    }
    field.addEventListener("focus", () => field.select());
    field.addEventListener("input", () => (row.typing = true));
    field.addEventListener("change", () => {
      row.typing = false;
      const value = field.valueAsNumber;
      if (Number.isFinite(value)) this.#values.change(name, clamp(value, min, max));
      else row.show(this.#values.get(name));
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      row.typing = false;
      row.show(this.#values.get(name));
    });
    return [input, field];
  }

  // By name and area; where none has it, by what it does.
  #search() {
    const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...this.#groups.values()].flatMap((group) => group.rows);
    const named = rows.filter((row) => words.every((word) => row.text.includes(word)));
    const found = new Set(named.length ? named : rows.filter((row) => words.every((word) => row.help.includes(word))));
    for (const group of this.#groups.values()) {
      for (const row of group.rows) row.item.hidden = !found.has(row);
      group.box.hidden = !group.rows.some((row) => found.has(row));
      group.details.open = words.length ? true : !this.#closed.has(group.area);
    }
    let text = "";
    if (words.length) text = found.size ? `${found.size} found` : `Nothing here is called “${element("search").value}”.`;
    element("found").textContent = text;
    element("found").classList.toggle("visually-hidden", found.size > 0);
  }
}
