// The buttons below the picture: switches of the daemon, and the comparison, which is this page's own.

import { act } from "/actions.js";
import { element, icon, make } from "/dom.js";

// name: its icon, and without a knob the method that switches it. knob, pressed: the parameter that it
// shows, which then has no row among the controls, and the value that counts as pressed.
const BUTTONS = {
  bypass: { label: "Bypass", help: "Send the picture as it came", knob: "enabled", pressed: false },
  freeze: { label: "Freeze", help: "Hold the last picture" },
  blank: { label: "Blank", help: "Show the privacy picture, and nothing of the camera" },
  mirror: { label: "Mirror", help: "Mirror the picture, left for right", knob: "mirror", pressed: true },
  overlay: { label: "Landmarks", help: "Draw landmarks, ids and confidence", knob: "overlay", pressed: true },
};

export const KNOBS_WITH_A_BUTTON = new Set(Object.values(BUTTONS).flatMap(({ knob }) => knob ?? []));

export class Buttons {
  #values;
  #screen;
  #switches = { blank: false, freeze: false };
  #comparing = false;

  constructor(values, screen) {
    this.#values = values;
    this.#screen = screen;
    for (const [name, { label, help }] of Object.entries(BUTTONS)) this.#add(name, label, help, () => this.#press(name));
    element("switches").append(make("span", { class: "gap", "aria-hidden": "true" }));
    this.#add("split", "Compare", "Before and after, with a divider to drag", () => this.#compare());
  }

  // switches: those of the daemon; omit them where only parameters have changed.
  show(switches = this.#switches) {
    this.#switches = switches;
    for (const button of element("switches").querySelectorAll("button")) {
      const name = button.dataset.switch;
      button.setAttribute("aria-pressed", String(name === "split" ? this.#comparing : this.#isOn(name)));
    }
    if (this.#isOn("blank")) this.#screen.mark("blank", "Blanked: the outputs get the privacy picture");
    else if (this.#isOn("freeze")) this.#screen.mark("freeze", "Frozen: the outputs get a still");
    else if (this.#isOn("bypass")) this.#screen.mark("bypass", this.#comparing ? "" : "Bypassed: unfiltered");
    else this.#screen.mark("", "");
    this.#screen.mirror(this.#isOn("mirror"));
  }

  #add(name, label, help, press) {
    const button = make(
      "button",
      { type: "button", "aria-pressed": "false", "data-switch": name, title: help, "aria-describedby": `switch-${name}` },
      icon(name),
      make("span", {}, label),
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

  #compare() {
    this.#comparing = !this.#comparing;
    this.#screen.split(this.#comparing);
    this.show();
  }
}
