// The controls: a row for every parameter that the daemon describes, in its groups.

import { element, icon, keep, make, title } from "/dom.js";
import { KINDS } from "/kinds.js";

const CLOSED = "livewarp.closed"; // the groups that are folded up, kept by the browser
const TOP = "filter"; // the group that governs all others stands above them

function closedGroups() {
  try {
    return new Set(JSON.parse(localStorage.getItem(CLOSED) ?? "[]"));
  } catch {
    return new Set(); // storage is forbidden, or holds something else: all groups are open
  }
}

export class Controls {
  #values;
  #reset;
  #apart;
  #rows = new Map();
  #groups = new Map(); // name -> {name, box, details, count, reset, rows}
  #closed = closedGroups();

  // reset(names): back to the settings' values; null: all. apart: the parameters that are shown elsewhere.
  constructor(values, reset, apart) {
    this.#values = values;
    this.#reset = reset;
    this.#apart = apart;
    element("search").addEventListener("input", () => this.#search());
    element("search").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      element("search").value = "";
      this.#search();
    });
    document.addEventListener("keydown", (event) => {
      const writing = event.target.closest("input:not([type=range], [type=checkbox], [type=color]), select, dialog, .menu");
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
    const top = [];
    for (const [name, knob] of Object.entries(described)) {
      if (this.#apart.has(name)) continue;
      const row = this.#row(name, knob);
      this.#rows.set(name, row);
      if (knob.group === TOP) top.push(row.item);
      else this.#group(knob.group).rows.push(row);
    }
    for (const group of this.#groups.values()) {
      group.details.append(make("ul", {}, ...group.rows.map((row) => row.item)));
    }
    element("master").replaceChildren(...top);
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
    this.#count(this.#groups.get(row.group));
  }

  #group(name) {
    const known = this.#groups.get(name);
    if (known) return known;
    const count = make("span", { class: "changed" });
    const details = make(
      "details",
      { class: "group-body" },
      make("summary", {}, icon("chevron", "icon small"), make("span", {}, title(name)), count),
    );
    details.open = !this.#closed.has(name);
    details.addEventListener("toggle", () => this.#keepFold(name, details.open));
    const reset = make("button", { type: "button", class: "quiet reset-group", "aria-label": `Reset ${title(name)}` }, "Reset");
    reset.hidden = true;
    const group = { name, box: make("div", { class: "group" }, details, reset), details, count, reset, rows: [] };
    reset.addEventListener("click", () => {
      details.querySelector("summary").focus(); // the button goes away
      this.#reset(group.rows.map((row) => row.name));
    });
    this.#groups.set(name, group);
    return group;
  }

  #count(group) {
    if (!group) return;
    const moved = group.rows.filter((row) => row.moved).length;
    group.count.textContent = moved ? `${moved} changed` : "";
    group.reset.hidden = !moved;
  }

  #keepFold(name, open) {
    if (element("search").value) return; // opened by the search, not by a person
    if (open) this.#closed.delete(name);
    else this.#closed.add(name);
    keep(CLOSED, JSON.stringify([...this.#closed]));
  }

  #row(name, knob) {
    const id = `parameter-${name}`;
    const kind = KINDS[knob.type];
    const home = knob.initial;
    const item = make(knob.group === TOP ? "div" : "li", { class: "row", "data-name": name, "data-kind": knob.type });
    const { input, parts, show } = kind.draw({ ...knob, name }, {
      change: (value) => this.#values.change(name, value),
      grab: () => this.#values.grab(name),
      release: () => this.#values.release(name),
      redraw: () => show(this.#values.get(name)),
    });
    input.id = id;
    input.setAttribute("aria-describedby", `${id}-help`);
    const label = make("label", { for: id }, title(name));
    const reset = make("button", { type: "button", class: "quiet reset", "aria-label": `Reset ${title(name)}`, title: `Back to ${kind.text(home)}` }, icon("reset", "icon small"));
    item.append(label, ...parts, reset, make("span", { id: `${id}-help`, class: "visually-hidden" }, knob.help));
    const back = () => this.#reset([name]);
    reset.addEventListener("click", () => {
      input.focus(); // the button goes away
      back();
    });
    for (const target of kind.doubleClick ? [label, input] : [label]) target.addEventListener("dblclick", back);
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Delete" && event.key !== "Backspace") return;
      event.preventDefault();
      back();
    });
    const hint = () => (element("hint").textContent = `${knob.help} ${kind.tip}`);
    for (const event of ["pointerenter", "focusin"]) item.addEventListener(event, hint);
    const names = [title(name), knob.group, ...knob.keywords].join(" ").toLowerCase();
    return { name, item, show, home, moved: false, group: knob.group, names, help: knob.help.toLowerCase() };
  }

  // By name, group and keywords; where none of those has the words, by help.
  #search() {
    const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...this.#groups.values()].flatMap((group) => group.rows);
    const named = rows.filter((row) => words.every((word) => row.names.includes(word)));
    const found = new Set(named.length ? named : rows.filter((row) => words.every((word) => row.help.includes(word))));
    for (const group of this.#groups.values()) {
      for (const row of group.rows) row.item.hidden = !found.has(row);
      group.box.hidden = !group.rows.some((row) => found.has(row));
      group.details.open = words.length ? true : !this.#closed.has(group.name);
    }
    let text = "";
    if (words.length) text = found.size ? `${found.size} found` : `Nothing here is called “${element("search").value}”.`;
    element("found").textContent = text;
    element("found").classList.toggle("visually-hidden", found.size > 0);
  }
}
