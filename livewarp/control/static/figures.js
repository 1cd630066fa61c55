// The figures: numbers, and the last minute of them as lines.

import { element, fetched, keep, sentence, write } from "/dom.js";
import { counted, word } from "/words.js";

const POINTS = 240; // four a second
const WIDTH = 240;
const HEIGHT = 100;

const OPEN = "livewarp.figures"; // whether they are unfolded, kept by the browser

const history = []; // {p50, p99, fps}, oldest first

const fixed = (value, digits) => (typeof value === "number" ? value.toFixed(digits) : "–");

function number(id, value, unit) {
  const place = element(id);
  if (place.firstChild?.data === value) return;
  const small = document.createElement("small");
  small.textContent = ` ${unit}`;
  place.replaceChildren(value, ...(unit && value !== "–" ? [small] : []));
}

function line(key, top) {
  const x = (i) => ((POINTS - history.length + i) * WIDTH) / (POINTS - 1);
  const y = (value) => HEIGHT - (Math.min(value, top) / top) * HEIGHT;
  return history.map((at, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(at[key]).toFixed(1)}`).join("");
}

function plot(id, key, top) {
  const path = line(key, top);
  const start = ((POINTS - history.length) * WIDTH) / (POINTS - 1);
  for (const place of document.querySelectorAll(`#${id} .${key}`)) {
    place.setAttribute("d", place.classList.contains("area") ? `${path}V${HEIGHT}H${start.toFixed(1)}Z` : path);
  }
}

export function forget() {
  history.length = 0;
}

export function showStats(stats) {
  const { p50_ms: p50 = 0, p99_ms: p99 = 0 } = stats.latency ?? {};
  const fps = stats.fps ?? 0;
  history.push({ p50, p99, fps });
  if (history.length > POINTS) history.shift();
  const budget = stats.budget_ms ?? 0;
  number("p50", fixed(stats.latency?.p50_ms, 1), "ms");
  number("p99", fixed(stats.latency?.p99_ms, 1), "ms");
  number("budget", budget ? budget.toFixed(1) : "–", "ms");
  number("fps", fixed(stats.fps, 1), "");
  number("faces", fixed(stats.faces, 0), "");
  number("late", fixed(stats.late, 0), "");
  number("dropped", fixed(stats.dropped, 0), "");
  number("cpu", fixed(stats.cpu_percent, 0), "%");
  number("memory", fixed(stats.memory_mb, 0), "MB");
  const faces = stats.faces ?? 0;
  write("figures-line", word("figures.line", {
    fps: fixed(stats.fps, 0),
    ms: fixed(stats.latency?.p50_ms, 0),
    faces: counted("figures.faces", faces),
    cpu: fixed(stats.cpu_percent, 0),
  }));
  if (!element("figures").open) return;
  const slowest = Math.max(...history.map((at) => at.p99));
  const top = Math.max(budget * 1.15, Math.min(slowest * 1.1, budget * 3), 1); // one slow frame must not flatten the rest
  plot("plot-time", "p99", top);
  plot("plot-time", "p50", top);
  plot("plot-fps", "fps", Math.max(...history.map((at) => at.fps), 1) * 1.25);
  const mark = element("plot-time").querySelector(".budget");
  for (const end of ["y1", "y2"]) mark.setAttribute(end, HEIGHT - (budget / top) * HEIGHT);
  mark.toggleAttribute("hidden", !budget);
}

// headline: the state as people call it; ready: whether a call is possible.
export function showState({ state, reason, headline, ready = true }) {
  const calm = state === "running" || state === "blanked" || state === "lost";
  const called = state === "lost" ? word("state.lost") : headline || sentence(state);
  element("state").dataset.state = state === "running" && !ready ? "preview" : state;
  element("state").title = reason;
  write("state-text", reason && !calm ? `${called}: ${reason}` : called);
}

element("figures").open = fetched(OPEN, false);
element("figures").addEventListener("toggle", () => keep(OPEN, JSON.stringify(element("figures").open)));
