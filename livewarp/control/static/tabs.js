// The tabs: one is chosen; arrows move between them.

import { element, fetched, icon, keep, make } from "/dom.js";
import { word } from "/words.js";

const KEPT = "livewarp.tab";

export class Tabs {
  current = "looks";
  #choose;
  #buttons = new Map();

  // choose(): another tab was chosen; it is `current`.
  constructor(choose) {
    this.#choose = choose;
    element("tabs").addEventListener("keydown", (event) => this.#move(event));
  }

  build(names) {
    const kept = fetched(KEPT, "shape");
    this.current = names.includes(kept) ? kept : names[1];
    this.#buttons.clear();
    for (const name of names) {
      const count = make("span", { class: "count", hidden: "" });
      const button = make(
        "button",
        { type: "button", role: "tab", id: `tab-${name}`, "data-tab": name, "aria-controls": "panel" },
        icon(ICONS[name]),
        make("span", { class: "tab-name" }, word(`tab.${name}`)),
        count,
      );
      button.addEventListener("click", () => this.choose(name));
      this.#buttons.set(name, { button, count });
    }
    element("tabs").replaceChildren(...[...this.#buttons.values()].map(({ button }) => button));
    this.#mark();
  }

  get names() {
    return [...this.#buttons.keys()];
  }

  choose(name) {
    if (!this.#buttons.has(name)) return;
    this.current = name;
    keep(KEPT, JSON.stringify(name));
    this.searching(false);
    this.#mark();
    this.#choose();
  }

  // How many things are behind a tab.
  count(name, n) {
    const count = this.#buttons.get(name)?.count;
    if (!count) return;
    count.hidden = !n;
    count.textContent = n ? String(n) : "";
  }

  // While a search shows what it has found, no tab is the one that is shown.
  searching(on) {
    element("tabs").toggleAttribute("data-searching", on);
  }

  #mark() {
    for (const [name, { button }] of this.#buttons) {
      const chosen = name === this.current;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      if (chosen) button.scrollIntoView?.({ block: "nearest", inline: "nearest" });
    }
    element("panel").setAttribute("aria-labelledby", `tab-${this.current}`);
  }

  #move(event) {
    const names = this.names;
    const at = names.indexOf(this.current);
    const to = {
      ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1 + names.length, ArrowLeft: at - 1 + names.length, Home: 0, End: names.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const name = names[to % names.length];
    this.choose(name);
    this.#buttons.get(name).button.focus();
  }
}

const ICONS = {
  looks: "looks", shape: "shape", skin: "skin", hair: "hair", background: "background", picture: "picture", more: "more",
  favourites: "star", changed: "changed",
};
