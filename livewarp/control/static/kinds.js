// The kinds of knob: how each is drawn, shown and changed. A new kind is one entry of KINDS.

import { clamp, icon, make, title } from "/dom.js";

// draw(knob, hand): {input, parts, show(value)}; the row's label names the input, the parts stand in the row.
// text(value): the value as people read it. tip: how a person resets it, beside the row's button.
// doubleClick: whether a double-click on the input resets it, too.
//
// knob: as the daemon describes it, and its name. hand: what the input does with the value:
// change(value), grab() and release() around a drag, and redraw(), which shows the value as it is.
export const KINDS = {
  float: { draw: drawNumber, text: String, tip: "Double-click or Delete resets.", doubleClick: true },
  bool: { draw: drawSwitch, text: (on) => (on ? "on" : "off"), tip: "", doubleClick: true },
  colour: { draw: drawColour, text: String, tip: "Delete resets.", doubleClick: false },
  choice: { draw: drawChoice, text: title, tip: "Delete resets.", doubleClick: false },
  name: { draw: drawName, text: title, tip: "", doubleClick: false },
};

const STEPS = 100; // at least, from one bound to the other

function drawNumber({ name, min, max, unit, ends }, hand) {
  const step = 10 ** Math.floor(Math.log10(max - min) + 1e-9) / STEPS;
  const digits = Math.max(0, 1 - Math.round(Math.log10(step))); // one more than a step needs
  const range = { min, max, step };
  const slider = make("input", { type: "range", class: "slider", ...range });
  const label = `${title(name)}, value${unit ? ` in ${unit}` : ""}`;
  const field = makeField({ type: "number", "aria-label": label, ...range, step: "any" }, hand, (input) => {
    const value = input.valueAsNumber;
    return Number.isFinite(value) ? clamp(value, min, max) : null;
  });
  const zero = clamp(0, min, max); // where the bar begins, and the slider has its mark
  const part = (value) => (clamp(value, min, max) - min) / (max - min);
  slider.style.setProperty("--zero", part(zero));
  slider.addEventListener("input", () => hand.change(Number(slider.value)));
  slider.addEventListener("pointerdown", () => hand.grab());
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
    slider.addEventListener(end, () => hand.release());
  }
  const show = (value) => {
    const rounded = Number(value.toFixed(digits));
    slider.value = value;
    slider.style.setProperty("--from", part(Math.min(value, zero)));
    slider.style.setProperty("--to", part(Math.max(value, zero)));
    field.show(rounded);
    if (ends) slider.setAttribute("aria-valuetext", value === zero ? rounded : `${rounded}, ${ends[Number(value > zero)]}`);
  };
  const captions = make("span", { class: "captions", "aria-hidden": "true" }, ...(ends ?? []).map((word) => make("span", {}, word)));
  return { input: slider, parts: [slider, field.input, captions], show };
}

function drawSwitch(_, hand) {
  const input = make("input", { type: "checkbox", role: "switch", class: "check" });
  input.addEventListener("change", () => hand.change(input.checked));
  return { input, parts: [input], show: (value) => (input.checked = value) };
}

function drawColour({ name }, hand) {
  const swatch = make("input", { type: "color", class: "swatch" });
  const label = `${title(name)}, as #rrggbb`;
  const field = makeField({ type: "text", "aria-label": label, maxlength: 7, spellcheck: "false", autocomplete: "off" }, hand, (input) => {
    const digits = /^\s*#?([0-9a-f]{6})\s*$/i.exec(input.value)?.[1];
    return digits ? `#${digits.toLowerCase()}` : null;
  });
  swatch.addEventListener("input", () => hand.change(swatch.value));
  const show = (value) => {
    swatch.value = value;
    field.show(value);
  };
  return { input: swatch, parts: [swatch, field.input], show };
}

function drawChoice({ choices }, hand) {
  const select = make("select", {}, ...choices.map((choice) => make("option", { value: choice }, title(choice))));
  select.addEventListener("change", () => hand.change(select.value));
  const box = make("span", { class: "choice" }, select, icon("chevron", "icon small"));
  return { input: select, parts: [box], show: (value) => (select.value = value) };
}

function drawName({ name }, hand) {
  const attributes = { type: "text", "aria-label": title(name), maxlength: 40, spellcheck: "false", autocomplete: "off" };
  const field = makeField(attributes, hand, (input) => /^[a-z0-9][a-z0-9_-]{0,39}$/.exec(input.value.trim())?.[0] ?? null);
  return { input: field.input, parts: [field.input], show: field.show };
}

// A field to type a value into. read(input): the value, or null where it is none: the old one comes back.
function makeField(attributes, hand, read) {
  const input = make("input", { class: "value", ...attributes });
  let typing = false;
  input.addEventListener("focus", () => input.select());
  input.addEventListener("input", () => (typing = true));
  input.addEventListener("change", () => {
    typing = false;
    const value = read(input);
    if (value === null) hand.redraw();
    else hand.change(value);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    typing = false;
    hand.redraw();
  });
  const show = (text) => {
    if (!typing || document.activeElement !== input) input.value = text;
  };
  return { input, show };
}
