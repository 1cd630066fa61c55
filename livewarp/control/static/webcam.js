// The webcam's own controls, in a dialog: exposure, focus, white balance and what else it has.

import { complain } from "/actions.js";
import { element, make } from "/dom.js";
import { call } from "/link.js";
import { word } from "/words.js";

export async function openWebcam() {
  try {
    show(await call("camera"));
    element("webcam").showModal();
  } catch (error) {
    complain(error);
  }
}

function show({ camera, controls }) {
  element("webcam-name").textContent = camera || word("webcam.none");
  const rows = Object.entries(controls).map(([name, control]) => makeRow(name, control));
  element("webcam-controls").replaceChildren(...rows);
  element("webcam-reset").hidden = rows.length === 0;
}

function makeRow(name, control) {
  const input = makeInput(control);
  input.disabled = !control.active || !control.writable;
  input.addEventListener("change", () => change(name, read(input, control)));
  const note = control.overridden_by ? word("webcam.automatic", { name: control.overridden_by }) : String(control.value ?? "");
  const shown = control.type === "number" || control.overridden_by ? make("output", {}, note) : "";
  return make("label", {}, make("span", {}, control.label), input, shown);
}

function makeInput({ type, value, min, max, step, choices }) {
  if (type === "switch") {
    const box = make("input", { type: "checkbox" });
    box.checked = value === true;
    return box;
  }
  if (type === "choice") {
    const list = make("select", {}, ...choices.map((text) => make("option", { value: text }, text)));
    list.value = value;
    return list;
  }
  return make("input", { type: "range", min, max, step: Math.max(step, 1), value });
}

function read(input, { type }) {
  if (type === "switch") return input.checked;
  return type === "number" ? Number(input.value) : input.value;
}

async function change(name, value) {
  try {
    show(await call("camera.set", { controls: { [name]: value } }));
  } catch (error) {
    complain(error);
    show(await call("camera"));
  }
}

element("webcam-reset").addEventListener("click", async () => {
  try {
    show(await call("camera.reset"));
  } catch (error) {
    complain(error);
  }
});
