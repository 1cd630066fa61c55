// Small helpers: elements, text, numbers, short messages, and what the browser keeps.

export const element = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function icon(name, classes = "icon") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export const sentence = (text) => text && text[0].toUpperCase() + text.slice(1);

// A name as people read it: nose_tip is "Nose tip".
export const title = (name) => sentence(name).replaceAll("_", " ");

// Text between backticks is code.
export function rich(text) {
  return text.split("`").map((part, i) => (i % 2 ? make("code", {}, part) : part));
}

// Writes only what has changed: a screen reader reads a text out again whenever it is written.
export function write(id, text) {
  const place = element(id);
  if (place.textContent !== text) place.textContent = text;
}

// Draws these items as the children of an element, unless it shows them already.
export function redraw(id, items, draw) {
  const place = element(id);
  const text = JSON.stringify(items);
  if (place.dataset.shown === text) return;
  place.dataset.shown = text;
  place.replaceChildren(...items.map(draw));
}

let hiding = 0;

// A message whose toast offers to undo.
export const offer = (text) => ({ text, undo: true });

// message: a text, or an offer.
export function say(message, bad = false) {
  const { text, undo } = typeof message === "string" ? { text: message, undo: false } : message;
  element("toast-text").textContent = text;
  element("toast-undo").hidden = !undo;
  const toast = element("toast");
  toast.className = bad ? "toast shown bad" : "toast shown";
  toast.inert = false;
  clearTimeout(hiding);
  hiding = setTimeout(hush, bad || undo ? 8000 : 3000);
}

export function hush() {
  const toast = element("toast");
  if (toast.matches(":hover, :focus-within")) {
    hiding = setTimeout(hush, 1000); // somebody is about to press it
    return;
  }
  toast.classList.remove("shown");
  toast.inert = true;
}

// What this browser has kept, as JSON; `otherwise` where that is nothing, damaged or forbidden.
export function fetched(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

// Keeps a text in this browser, where that is allowed.
export function keep(key, text) {
  try {
    localStorage.setItem(key, text);
  } catch {
    // storage is forbidden or full: not kept
  }
}
