// The steps towards a call, until a program shows the picture: what is done, and the command that helps with the rest.

import { icon, make, redraw, say } from "/dom.js";
import { word } from "/words.js";

let closed = false;

export function showSteps({ checklist = [] }) {
  const open = checklist.some(({ done }) => !done) && !closed;
  redraw("steps", open ? [checklist] : [], drawSteps);
}

function drawSteps(steps) {
  const close = make("button", { type: "button", class: "quiet square", "aria-label": word("steps.close") }, icon("close", "icon small"));
  close.addEventListener("click", () => {
    closed = true;
    showSteps({ checklist: steps });
  });
  return make("li", { class: "notice steps" }, make("ul", {}, ...steps.map(drawStep)), close);
}

function drawStep({ done, text, command }) {
  const mark = make("span", { class: done ? "mark done" : "mark", role: "img", "aria-label": word(done ? "steps.done" : "steps.open") }, done ? "✓" : "✗");
  const item = make("li", {}, mark, make("span", {}, text));
  if (!command) return item;
  const copy = make("button", { type: "button", class: "quiet" }, word("steps.copy"));
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command);
    say(word("steps.copied", { command }));
  });
  item.append(make("code", {}, command), copy);
  return item;
}
