// A field to type a value into.

import { make } from "/dom.js";

// read(input): the value, or null where it is none: the old one comes back.
export function makeField(attributes, hand, read) {
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
