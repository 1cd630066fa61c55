// The presets: a button each; a person's own have a menu to replace, rename and delete them.

import { act } from "/actions.js";
import { element, icon, make, say } from "/dom.js";
import { change } from "/link.js";
import { openMenu } from "/menu.js";
import { ask } from "/question.js";

export class Presets {
  #presets = [];
  #values;
  #chips = new Map();

  constructor(values) {
    this.#values = values;
    element("save").addEventListener("click", () => this.#save());
  }

  show({ presets }) {
    const focused = document.activeElement?.closest("#presets li")?.dataset.name;
    this.#presets = presets;
    this.#chips.clear();
    const chips = presets.map((preset) => this.#chip(preset));
    element("presets").replaceChildren(...chips);
    if (focused !== undefined) (this.#chips.get(focused) ?? element("save")).focus();
    this.mark();
  }

  // Marks the presets whose values are all set.
  mark() {
    for (const { name, values } of this.#presets) {
      const on = Object.entries(values).every(([knob, value]) => this.#values.is(knob, value));
      this.#chips.get(name).setAttribute("aria-pressed", String(on));
    }
  }

  #chip({ name, shipped }) {
    const put = make("button", { type: "button", "aria-pressed": "false" }, name);
    put.addEventListener("click", () => act("presets.load", { name }));
    this.#chips.set(name, put);
    const item = make("li", { "data-name": name }, put);
    if (shipped) return item;
    item.classList.add("mine");
    put.classList.add("own");
    const manage = make(
      "button",
      { type: "button", class: "manage", "aria-label": `Manage ${name}`, "aria-haspopup": "menu", "aria-expanded": "false" },
      icon("dots", "icon small bold"),
    );
    manage.addEventListener("click", () =>
      openMenu(manage, [
        { label: "Replace with the sliders as they are", run: () => act("presets.save", { name, replace: true }, `Replaced “${name}”`) },
        { label: "Rename…", run: () => this.#rename(name) },
        { label: "Delete…", risky: true, run: () => this.#delete(name) },
      ]),
    );
    item.append(manage);
    return item;
  }

  #save() {
    ask({
      title: "Save the look as a preset",
      text: "All adjustments as they are now, under a name.",
      done: "Save",
      name: "",
      run: async (name) => {
        await change("presets.save", { name });
        say(`Saved as “${name}”`);
      },
    });
  }

  #rename(name) {
    ask({
      title: `Rename “${name}”`,
      done: "Rename",
      name,
      run: async (to) => {
        await change("presets.rename", { name, to });
        say(`“${name}” is now “${to}”`);
      },
    });
  }

  #delete(name) {
    ask({
      title: `Delete “${name}”?`,
      text: "The sliders stay as they are.",
      done: "Delete",
      danger: true,
      run: async () => {
        await change("presets.delete", { name });
        say(`Deleted “${name}”`);
      },
    });
  }
}
