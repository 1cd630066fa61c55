// The looks: a chip each in the head, a card each in their tab; a person's own can be replaced, renamed, deleted.

import { act } from "/actions.js";
import { element, icon, make, say, title } from "/dom.js";
import { change } from "/link.js";
import { openMenu } from "/menu.js";
import { ask } from "/question.js";
import { word } from "/words.js";

const TOLD = 4; // changes that a card names

export class Looks {
  #presets = [];
  #values;
  #chips = new Map();
  #cards = new Map();

  constructor(values) {
    this.#values = values;
    element("save").addEventListener("click", () => this.#save());
  }

  get names() {
    return this.#presets.map(({ name }) => name);
  }

  show({ presets }) {
    const focused = document.activeElement?.closest("#presets li, #cards li");
    const [list, name] = [focused?.parentElement.id, focused?.dataset.name];
    this.#presets = presets;
    this.#chips = new Map(presets.map((preset) => [preset.name, this.#chip(preset)]));
    this.#cards = new Map(presets.map((preset) => [preset.name, this.#card(preset)]));
    element("presets").replaceChildren(...this.#chips.values());
    element("cards").replaceChildren(...this.#cards.values());
    if (list === "cards") (this.#cards.get(name)?.querySelector(".wear") ?? element("panel")).focus();
    else if (list) (this.#chips.get(name)?.querySelector("button") ?? element("save")).focus();
    this.mark();
  }

  // Shows the cards of these looks; null: of all.
  cards(names) {
    for (const [name, card] of this.#cards) card.hidden = names !== null && !names.includes(name);
    element("cards").hidden = ![...this.#cards.values()].some((card) => !card.hidden);
  }

  // Marks the looks whose values are all set.
  mark() {
    for (const { name, values } of this.#presets) {
      const on = Object.entries(values).every(([knob, value]) => this.#values.is(knob, value));
      for (const item of [this.#chips.get(name), this.#cards.get(name)]) {
        item.querySelector("button").setAttribute("aria-pressed", String(on));
      }
    }
  }

  #chip({ name, shipped }) {
    const wear = make("button", { type: "button", "aria-pressed": "false", class: "clip" }, name);
    wear.addEventListener("click", () => act("presets.load", { name }));
    const item = make("li", { "data-name": name, class: shipped ? null : "mine" }, wear);
    if (!shipped) item.append(this.#manager(name));
    return item;
  }

  #card({ name, shipped, values }) {
    const neutral = (value) => value === 0 || value === false;
    const changes = Object.entries(values).filter(([, value]) => !neutral(value) && typeof value === "number")
      .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a));
    const told = changes.slice(0, TOLD).map(([knob]) => title(knob)).join(", ") + (changes.length > TOLD ? " …" : "");
    const wear = make(
      "button",
      { type: "button", class: "wear", "aria-pressed": "false" },
      make("span", { class: "look-name clip" }, name),
      make("span", { class: "look-told" }, told),
    );
    wear.addEventListener("click", () => act("presets.load", { name }));
    const item = make("li", { "data-name": name, class: "card" }, wear);
    if (!shipped) item.append(this.#manager(name));
    return item;
  }

  #manager(name) {
    const manage = make(
      "button",
      { type: "button", class: "manage quiet", "aria-label": word("looks.manage", { name }), "aria-haspopup": "menu", "aria-expanded": "false" },
      icon("dots", "icon small bold"),
    );
    manage.addEventListener("click", () =>
      openMenu(manage, [
        { label: word("looks.replace"), run: () => act("presets.save", { name, replace: true }, word("looks.replaced", { name })) },
        { label: word("looks.rename"), run: () => this.#rename(name) },
        { label: word("looks.delete"), risky: true, run: () => this.#delete(name) },
      ]),
    );
    return manage;
  }

  #save() {
    ask({
      title: word("looks.save.title"),
      text: word("looks.save.text"),
      done: word("looks.save"),
      name: "",
      run: async (name) => {
        await change("presets.save", { name });
        say(word("looks.saved", { name }));
      },
    });
  }

  #rename(name) {
    ask({
      title: word("looks.rename.title", { name }),
      done: word("looks.rename.done"),
      name,
      run: async (to) => {
        await change("presets.rename", { name, to });
        say(word("looks.renamed", { name, to }));
      },
    });
  }

  #delete(name) {
    ask({
      title: word("looks.delete.title", { name }),
      text: word("looks.delete.text"),
      done: word("looks.delete.done"),
      danger: true,
      run: async () => {
        await change("presets.delete", { name });
        say(word("looks.deleted", { name }));
      },
    });
  }
}
