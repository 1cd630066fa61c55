// The looks: a chip each in the head, a card each in their tab. The daemon says which one is on, and whether it was
// edited since; a person's own can be updated, renamed, exported and deleted, and all of that undone.

import { act } from "/actions.js";
import { element, icon, make, offer, say, title } from "/dom.js";
import { change } from "/link.js";
import { openMenu } from "/menu.js";
import { ask } from "/question.js";
import { Thumbnails } from "/thumbnails.js";
import { word } from "/words.js";

const TOLD = 4; // changes that a card names
const ENDING = ".toml";

export class Looks {
  #presets = [];
  #on = { name: null, edited: false };
  #chips = new Map();
  #cards = new Map();
  #thumbnails;
  #camera = false;
  #seen = []; // whose cards are shown; null: all

  // place(box): where a part of the frame is on the screen.
  constructor(place) {
    this.#thumbnails = new Thumbnails(() => new Map([...this.#cards].map(([name, card]) => [name, card.querySelector("canvas")])), place);
    element("save").addEventListener("click", () => this.save());
    element("import-file").addEventListener("change", ({ target }) => {
      for (const file of target.files) this.take(file);
      target.value = "";
    });
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
    this.#thumbnails.renew();
    if (list === "cards") (this.#cards.get(name)?.querySelector(".wear") ?? element("panel")).focus();
    else if (list) (this.#chips.get(name)?.querySelector("button") ?? element("save")).focus();
    this.cards(this.#seen);
    this.mark(this.#on);
  }

  // Shows the cards of these looks; null: of all.
  cards(names) {
    this.#seen = names;
    for (const [name, card] of this.#cards) card.hidden = names !== null && !names.includes(name);
    element("cards").hidden = ![...this.#cards.values()].some((card) => !card.hidden);
    this.#seek();
  }

  // on: whether there is a camera's picture to try looks on.
  camera(on) {
    this.#camera = on;
    this.#seek();
  }

  #seek() {
    this.#thumbnails.run(this.#camera && !element("cards").hidden);
  }

  // on: {name, edited} of the look that is on.
  mark(on) {
    const moved = on.name !== this.#on.name;
    this.#on = on;
    for (const { name, shipped } of this.#presets) {
      const worn = name === on.name;
      const chip = this.#chips.get(name);
      for (const item of [chip, this.#cards.get(name)]) {
        item.querySelector("button").setAttribute("aria-pressed", worn ? (on.edited ? "mixed" : "true") : "false");
      }
      this.#edit(chip, name, shipped, worn && on.edited);
      if (worn && moved) chip.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  // The word "edited" and what can be done about it, beside the name.
  #edit(chip, name, shipped, edited) {
    if (Boolean(chip.querySelector(".edit")) === edited) return;
    const had = chip.contains(document.activeElement);
    for (const part of chip.querySelectorAll(".edited, .edit")) part.remove();
    if (edited) {
      const button = (label, run) => {
        const made = make("button", { type: "button", class: "edit" }, label);
        made.addEventListener("click", run);
        return made;
      };
      const update = () => act("presets.save", { name, replace: true }, offer(word("looks.replaced", { name })));
      chip.querySelector("button").append(make("span", { class: "edited" }, ` • ${word("looks.edited")}`));
      chip.querySelector("button").after(
        ...(shipped ? [] : [button(word("looks.update"), update)]),
        button(word("looks.revert"), () => act("presets.load", { name }, offer(word("looks.reverted", { name })))),
      );
    } else if (had) chip.querySelector("button").focus();
  }

  #wear(name) {
    // What was set by hand is lost from sight: the toast offers the way back.
    const loses = this.#on.name === null || this.#on.edited;
    act("presets.load", { name }, loses ? offer(word("looks.on", { name })) : undefined);
  }

  #chip({ name, shipped }) {
    const wear = make("button", { type: "button", "aria-pressed": "false", class: "clip" }, name);
    wear.addEventListener("click", () => this.#wear(name));
    const item = make("li", { "data-name": name, class: shipped ? null : "mine" }, wear);
    if (!shipped) item.append(this.#manager(name, shipped));
    return item;
  }

  #card({ name, shipped, values }) {
    const changes = Object.entries(values).filter(([, value]) => typeof value === "number" && value !== 0)
      .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a));
    const told = changes.slice(0, TOLD).map(([knob]) => title(knob)).join(", ") + (changes.length > TOLD ? " …" : "");
    const face = make("canvas", { class: "thumb", width: 160, height: 160, "aria-hidden": "true" });
    const wear = make(
      "button",
      { type: "button", class: "wear", "aria-pressed": "false" },
      face,
      make("span", { class: "look-name clip" }, name),
      make("span", { class: "look-told" }, told),
    );
    wear.addEventListener("click", () => this.#wear(name));
    for (const [event, tried] of [["pointerenter", name], ["focus", name], ["pointerleave", null], ["blur", null]]) {
      wear.addEventListener(event, () => this.#thumbnails.try(tried));
    }
    return make("li", { "data-name": name, class: "card" }, wear, this.#manager(name, shipped));
  }

  #manager(name, shipped) {
    const manage = make(
      "button",
      { type: "button", class: "manage quiet", "aria-label": word("looks.manage", { name }), "aria-haspopup": "menu", "aria-expanded": "false" },
      icon("dots", "icon small bold"),
    );
    const own = [
      { label: word("looks.replace"), run: () => act("presets.save", { name, replace: true }, offer(word("looks.replaced", { name }))) },
      { label: word("looks.rename"), run: () => this.#rename(name) },
      { label: word("looks.delete"), risky: true, run: () => act("presets.delete", { name }, offer(word("looks.deleted", { name }))) },
    ];
    const items = [{ label: word("looks.export"), run: () => this.#export(name) }, ...(shipped ? [] : own)];
    manage.addEventListener("click", () => openMenu(manage, items));
    return manage;
  }

  save() {
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
        say(offer(word("looks.renamed", { name, to })));
      },
    });
  }

  #export(name) {
    act("presets.export", { name }, ({ text }) => {
      const address = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
      make("a", { href: address, download: name + ENDING }).click();
      setTimeout(() => URL.revokeObjectURL(address));
      return word("looks.exported", { name });
    });
  }

  // A file that was exported, here or elsewhere; one whose name is taken gets a number.
  async take(file) {
    const base = file.name.endsWith(ENDING) ? file.name.slice(0, -ENDING.length) : file.name;
    let name = base;
    for (let n = 2; this.names.some((each) => each.toLowerCase() === name.toLowerCase()); n += 1) name = `${base} ${n}`;
    const text = await file.text();
    act("presets.import", { name, text }, offer(word("looks.imported", { name })));
  }
}
