// What is wrong and how to mend it: it lies over the page, can be copied and put away, and what the daemon can do
// itself has a button.

import { act } from "/actions.js";
import { icon, make, redraw, rich, say, sentence } from "/dom.js";
import { word } from "/words.js";

// Commands in a remedy that are a call: [pattern, method, params of the match].
const DOABLE = [
  [/^livewarp blank off$/, "blank", () => ({ on: false })],
  [/^livewarp freeze off$/, "freeze", () => ({ on: false })],
  [/^livewarp reload$/, "reload", () => ({})],
  [/^livewarp reset$/, "reset", () => ({})],
  [/^livewarp source ([a-z]+(?::[0-9]+)?)$/, "source.switch", ([, source]) => ({ source })],
  [/^livewarp model ([a-z]+)$/, "model", ([, name]) => ({ name })],
];

const away = new Set(); // what was put away, until it is mended

// problems: {what, remedy} each.
export function showProblems(problems) {
  const there = new Set(problems.map(({ what }) => what));
  for (const what of away) if (!there.has(what)) away.delete(what);
  redraw("problems", problems.filter(({ what }) => !away.has(what)), (problem) => draw(problem, problems));
}

function draw({ what, remedy }, all) {
  const remark = make("span", { class: "remedy" }, ...rich(sentence(remedy)));
  const text = make("p", {}, make("strong", {}, ...rich(sentence(what))), " ", remark);
  const copy = make("button", { type: "button", class: "quiet square", "aria-label": word("problem.copy"), title: word("problem.copy") }, icon("copy", "icon small"));
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(`${what}; ${remedy}`);
      say(word("problem.copied"));
    } catch {
      say(word("problem.not.copied"), true);
    }
  });
  const close = make("button", { type: "button", class: "quiet square", "aria-label": word("problem.away"), title: word("problem.away") }, icon("close", "icon small"));
  close.addEventListener("click", () => {
    away.add(what);
    showProblems(all);
  });
  return make("li", { class: "notice" }, icon("warn"), text, ...doing(remedy), copy, close);
}

function doing(remedy) {
  for (const command of remedy.split("`").filter((_, i) => i % 2)) {
    for (const [pattern, method, params] of DOABLE) {
      const found = pattern.exec(command);
      if (!found) continue;
      const button = make("button", { type: "button", title: command }, word("problem.do"));
      button.addEventListener("click", () => act(method, params(found), word("problem.done")));
      return [button];
    }
  }
  return [];
}
