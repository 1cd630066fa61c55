// The buttons below the picture: switches of the daemon, and the comparison, which is this page's own.

import { act } from "/actions.js";
import { element, icon, make } from "/dom.js";
import { word } from "/words.js";

// name: its icon and words, and without a knob the method that switches it. knob, pressed: the parameter that it
// shows, and the value that counts as pressed.
const BUTTONS = {
  bypass: { knob: "enabled", pressed: false },
  freeze: {},
  blank: {},
  mirror: { knob: "mirror", pressed: true },
  overlay: { knob: "overlay", pressed: true },
};

// Those without a row among the controls: their button is all of them.
export const KNOBS_ELSEWHERE = new Set(["enabled"]);

export class Buttons {
  #values;
  #screen;
  #switches = { blank: false, freeze: false };
  #comparing = false;
  #beside = false;
  #zoomed = false;

  constructor(values, screen) {
    this.#values = values;
    this.#screen = screen;
    for (const name of Object.keys(BUTTONS)) this.#add(name, () => this.#press(name));
    element("switches").append(make("span", { class: "gap", "aria-hidden": "true" }));
    this.#add("split", () => this.#compare());
    this.#add("side", () => this.#side());
    this.#add("zoom", () => this.#zoom());
  }

  // switches: those of the daemon; omit them where only parameters have changed.
  show(switches = this.#switches) {
    this.#switches = switches;
    for (const button of element("switches").querySelectorAll("button")) {
      const name = button.dataset.switch;
      button.setAttribute("aria-pressed", String(this.#own(name) ?? this.#isOn(name)));
      if (name === "side") button.hidden = !this.#comparing;
    }
    if (this.#isOn("blank")) this.#screen.mark("blank", word("blank.badge"));
    else if (this.#isOn("freeze")) this.#screen.mark("freeze", word("freeze.badge"));
    else if (this.#isOn("bypass")) this.#screen.mark("bypass", this.#comparing ? "" : word("bypass.badge"));
    else this.#screen.mark("", "");
    this.#screen.mirror(this.#isOn("mirror"));
  }

  #add(name, press) {
    const help = word(`${name}.help`);
    const button = make(
      "button",
      { type: "button", "aria-pressed": "false", "data-switch": name, title: help, "aria-describedby": `switch-${name}` },
      icon(name),
      make("span", {}, word(name)),
    );
    button.addEventListener("click", press);
    element("switches").append(button, make("span", { id: `switch-${name}`, class: "visually-hidden" }, help));
  }

  #isOn(name) {
    const { knob, pressed } = BUTTONS[name];
    return knob ? this.#values.get(knob) === pressed : this.#switches[name];
  }

  #press(name) {
    const { knob, pressed } = BUTTONS[name];
    const on = !this.#isOn(name);
    if (knob) act("set", { [knob]: on === pressed });
    else act(name, { on });
  }

  // Those that are this page's own.
  #own(name) {
    return { split: this.#comparing, side: this.#beside, zoom: this.#zoomed }[name];
  }

  #side() {
    this.#beside = !this.#beside;
    element("screen").toggleAttribute("data-side", this.#beside);
    this.show();
  }

  #zoom() {
    this.#zoomed = !this.#zoomed;
    this.#screen.zoom(this.#zoomed);
    this.show();
  }

  #compare() {
    this.#comparing = !this.#comparing;
    this.#screen.split(this.#comparing);
    this.show();
  }
}
