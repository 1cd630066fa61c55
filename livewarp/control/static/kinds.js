// The kinds of knob: how each is drawn, shown and changed. A new kind is one entry of KINDS.

import { icon, make, title } from "/dom.js";
import { makeField } from "/field.js";
import { drawNumber } from "/number.js";
import { SWATCHES, word } from "/words.js";

// draw(knob, hand): {input, side, body, show(value)}; the row's label names the input; `side` stands beside the
// label, `body` below both. text(value): the value as people read it. tip: how a person resets it, beside the row's
// button. doubleClick: whether a double-click on the input resets it, too.
//
// knob: as the daemon describes it, and its name. hand: what the input does with the value:
// change(value), grab() and release() around a drag, and redraw(), which shows the value as it is.
export const KINDS = {
  float: { draw: drawNumber, text: String, tip: "hint.number", doubleClick: true },
  bool: { draw: drawSwitch, text: (on) => word(on ? "on" : "off"), tip: "", doubleClick: false },
  colour: { draw: drawColour, text: String, tip: "hint.delete", doubleClick: false },
  choice: { draw: drawChoice, text: title, tip: "hint.delete", doubleClick: false },
  name: { draw: drawName, text: title, tip: "", doubleClick: false },
};

const SEGMENTS = 5; // more choices than this are a list that opens

function drawSwitch(_, hand) {
  const input = make("input", { type: "checkbox", role: "switch", class: "check" });
  input.addEventListener("change", () => hand.change(input.checked));
  return { input, side: input, body: [], show: (value) => (input.checked = value) };
}

function drawColour({ name, group, initial }, hand) {
  const picker = make("input", { type: "color", class: "picker" });
  const label = word("colour.label", { name: title(name) });
  const field = makeField({ type: "text", "aria-label": label, maxlength: 7, spellcheck: "false", autocomplete: "off" }, hand, (input) => {
    const digits = /^\s*#?([0-9a-f]{6})\s*$/i.exec(input.value)?.[1];
    return digits ? `#${digits.toLowerCase()}` : null;
  });
  picker.addEventListener("input", () => hand.change(picker.value));
  const colours = [...new Set([initial, ...(SWATCHES[group] ?? SWATCHES.other)])];
  const swatches = colours.map((colour) => {
    const what = word("colour.swatch", { name: title(name), colour });
    const swatch = make("button", { type: "button", class: "swatch", "aria-label": what, title: colour, "aria-pressed": "false", "data-colour": colour });
    swatch.style.setProperty("--colour", colour);
    swatch.addEventListener("click", () => hand.change(colour));
    return swatch;
  });
  const list = make("div", { class: "swatches", role: "group", "aria-label": word("colour.swatches", { name: title(name) }) }, ...swatches);
  const show = (value) => {
    picker.value = value;
    field.show(value);
    for (const swatch of swatches) swatch.setAttribute("aria-pressed", String(swatch.dataset.colour === value));
  };
  return { input: picker, side: field.input, body: [make("div", { class: "colours" }, picker, list)], show };
}

function drawChoice(knob, hand) {
  return knob.choices.length > SEGMENTS ? drawList(knob, hand) : drawSegments(knob, hand);
}

function drawSegments({ name, choices }, hand) {
  const inputs = choices.map((choice) => {
    const input = make("input", { type: "radio", name: `choice-${name}`, value: choice });
    input.addEventListener("change", () => hand.change(choice));
    return input;
  });
  const parts = choices.map((choice, i) => make("label", {}, inputs[i], make("span", {}, title(choice))));
  const group = make("div", { class: "segments", role: "radiogroup" }, ...parts);
  const show = (value) => {
    for (const input of inputs) input.checked = input.value === value;
    group.dataset.value = value;
  };
  return { input: group, side: null, body: [group], show };
}

function drawList({ choices }, hand) {
  const select = make("select", {}, ...choices.map((choice) => make("option", { value: choice }, title(choice))));
  select.addEventListener("change", () => hand.change(select.value));
  const box = make("span", { class: "choice" }, select, icon("chevron", "icon small"));
  return { input: select, side: null, body: [box], show: (value) => (select.value = value) };
}

function drawName({ name }, hand) {
  const attributes = { type: "text", "aria-label": title(name), maxlength: 40, spellcheck: "false", autocomplete: "off" };
  const field = makeField(attributes, hand, (input) => /^[a-z0-9][a-z0-9_-]{0,39}$/.exec(input.value.trim())?.[0] ?? null);
  field.input.classList.add("wide");
  return { input: field.input, side: field.input, body: [], show: field.show };
}
