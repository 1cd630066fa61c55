// A number's control: a slider over the whole width, the words of its ends, and a field to type into.

import { makeField } from "/field.js";
import { clamp, make, title } from "/dom.js";
import { word } from "/words.js";

const STEPS = 100; // at least, from one bound to the other
const FINE = 0.1; // of a step, with Shift

export function drawNumber({ name, min, max, unit, ends }, hand) {
  const step = 10 ** Math.floor(Math.log10(max - min) + 1e-9) / STEPS;
  const digits = Math.max(0, 1 - Math.round(Math.log10(step))); // one more than a step needs
  const range = { min, max, step: step * FINE };
  const slider = make("input", { type: "range", class: "slider", ...range });
  const label = unit ? word("number.unit", { name: title(name), unit }) : word("number.label", { name: title(name) });
  const field = makeField({ type: "number", "aria-label": label, min, max, step: "any" }, hand, (input) => {
    const value = input.valueAsNumber;
    return Number.isFinite(value) ? clamp(value, min, max) : null;
  });
  const zero = clamp(0, min, max); // where the bar begins, and the slider has its mark
  const part = (value) => (clamp(value, min, max) - min) / (max - min);
  const rounded = (value, to) => Number((Math.round(value / to) * to).toFixed(digits));
  slider.style.setProperty("--zero", part(zero));

  const change = (value) => hand.change(clamp(Number(value.toFixed(digits)), min, max));
  // With Shift a drag moves a tenth as far as the hand: from where it stood when Shift went down.
  let anchor = null;
  let shift = false;
  let shown = zero;
  slider.addEventListener("input", () => {
    const at = Number(slider.value);
    if (!shift) {
      anchor = null;
      change(rounded(at, step));
      return;
    }
    anchor ??= { at, value: shown };
    change(anchor.value + (at - anchor.at) * FINE);
  });
  for (const event of ["pointerdown", "pointermove"]) {
    slider.addEventListener(event, ({ shiftKey }) => {
      if (!shiftKey) anchor = null;
      shift = shiftKey;
    });
  }
  slider.addEventListener("pointerdown", () => {
    shift = false; // the press itself goes to where it is
    hand.grab();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
    slider.addEventListener(end, () => {
      anchor = null;
      shift = false;
      hand.release();
    });
  }
  const by = (steps, fine) => change(shown + steps * step * (fine ? FINE : 1));
  slider.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (steps === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    by(steps, event.shiftKey);
  });
  // Only with the focus, so that scrolling the page over a slider changes nothing.
  slider.addEventListener("wheel", (event) => {
    if (document.activeElement !== slider || event.ctrlKey) return;
    event.preventDefault();
    by(-Math.sign(event.deltaY || event.deltaX), event.shiftKey);
  }, { passive: false });

  const show = (value) => {
    const text = Number(value.toFixed(digits));
    shown = value;
    slider.value = value;
    slider.style.setProperty("--from", part(Math.min(value, zero)));
    slider.style.setProperty("--to", part(Math.max(value, zero)));
    field.show(text);
    if (ends) slider.setAttribute("aria-valuetext", value === zero ? text : `${text}, ${ends[Number(value > zero)]}`);
  };
  const captions = make("span", { class: "captions", "aria-hidden": "true" }, ...(ends ?? []).map((text) => make("span", {}, text)));
  return { input: slider, side: field.input, body: [slider, captions], show };
}
