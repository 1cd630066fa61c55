// The panel: connects the parts of the page with the daemon.

import { act, complain } from "/actions.js";
import { Buttons, KNOBS_WITH_A_BUTTON } from "/buttons.js";
import { Controls } from "/controls.js";
import { element, icon, keep, make, redraw, rich, say, sentence, write } from "/dom.js";
import { forget, showState, showStats } from "/figures.js";
import { call, Link } from "/link.js";
import { openMenu } from "/menu.js";
import { Presets } from "/presets.js";
import { Screen } from "/screen.js";
import { Values } from "/values.js";

const link = new Link();
const screen = new Screen();
const values = new Values(showValue);
const controls = new Controls(values, (names) => act("reset", names ? { names } : {}), KNOBS_WITH_A_BUTTON);
const buttons = new Buttons(values, screen);
const presets = new Presets(values);

let described = ""; // as JSON: what the rows were built from
let process = null; // {version, pid} of the daemon at the last connection
let state = { state: "starting", reason: "" };
let presetProblems = [];
let marking = 0; // the animation frame that will mark the presets

// --- from the daemon ------------------------------------------------------------------------------

function showValue(name, value) {
  controls.show(name, value);
  marking ||= requestAnimationFrame(() => {
    marking = 0;
    presets.mark();
  });
}

link.addEventListener("open", ({ detail: { version, described: knobs } }) => {
  const restarted = process && (process.pid !== version.pid || process.version !== version.version);
  if (restarted && process.version !== version.version) location.reload(); // another version has another page
  if (restarted) say("livewarp was restarted");
  process = version;
  const text = JSON.stringify(knobs);
  if (text !== described) {
    described = text;
    controls.build(knobs);
  }
  values.forget();
  forget();
  element("lost").hidden = true;
  enable(true);
  screen.run(true, "Waiting for a picture");
});

link.addEventListener("lost", ({ detail: { reason } }) => {
  values.forget();
  if (element("lost").hidden) {
    element("lost-text").replaceChildren(...rich("Trying again every second; `livewarp run` starts it."));
    element("lost").hidden = false;
  }
  state = { ...state, problems: [] }; // they may have ended since
  showProblems();
  showState({ state: "lost", reason });
  enable(false);
  screen.run(false, "No connection to livewarp");
});

function enable(on) {
  document.body.dataset.link = on ? "open" : "lost";
  for (const part of document.querySelectorAll("main, .route, #more")) part.inert = !on;
  element("source").disabled = !on;
}

link.addEventListener("parameters", ({ detail }) => {
  values.receive(detail);
  buttons.show();
});
link.addEventListener("switches", ({ detail }) => buttons.show(detail));
link.addEventListener("presets", ({ detail }) => {
  presets.show(detail);
  presetProblems = detail.problems;
  showProblems();
});
link.addEventListener("stats", ({ detail }) => showStats(detail));
link.addEventListener("state", ({ detail }) => {
  state = detail;
  showState(state);
  showRoute();
  showProblems();
  screen.explain(state.reason ? `${sentence(state.state)}: ${state.reason}` : "Waiting for a picture");
});

function showRoute() {
  write("source-name", state.source ?? "no source");
  element("source").title = `Source: ${state.source ?? "none"}`;
  const outputs = state.outputs.map(({ name, problem, watched }) => ({ name, problem, watched }));
  redraw("outputs", outputs.length ? outputs : [{ name: "no output" }], drawOutput);
}

function drawOutput({ name, problem, watched }) {
  const item = make(
    "li",
    { title: problem ?? name, class: problem ? "troubled" : null },
    icon(problem ? "warn" : "screen", "icon small"),
    make("span", { class: "clip" }, name),
  );
  if (watched === false) item.append(make("span", { class: "watchers" }, "not in use"));
  return item;
}

function showProblems() {
  redraw("problems", [...(state.problems ?? []), ...presetProblems], ({ what, remedy }) => {
    const after = make("span", { class: "remedy" }, ...rich(sentence(remedy)));
    return make("li", { class: "notice" }, icon("warn"), make("p", {}, make("strong", {}, ...rich(sentence(what))), " ", after));
  });
}

// --- menus and the rest ---------------------------------------------------------------------------

element("source").addEventListener("click", async () => {
  try {
    const sources = await call("sources");
    openMenu(element("source"), [
      ...sources.map(({ source, name, current }) => ({
        label: name,
        detail: source === name ? "" : source,
        checked: current,
        run: () => !current && act("source.switch", { source }, `Switching to ${name}`),
      })),
    ]);
  } catch (error) {
    complain(error);
  }
});

element("more").addEventListener("click", () =>
  openMenu(element("more"), [
    {
      label: "Reload config.toml",
      detail: "Takes over what has changed there",
      run: () =>
        act("reload", {}, ({ parameters, restart }) => {
          const taken = Object.keys(parameters).length;
          if (restart.length) return `Needs a restart: ${restart.join(", ")}`;
          return taken ? `Reloaded: ${Object.keys(parameters).join(", ")}` : "Nothing has changed in config.toml";
        }),
    },
    { label: "Open the bare stream", detail: "For OBS and the like", run: () => open("/preview.mjpeg", "_blank", "noopener") },
  ]),
);

element("retry").addEventListener("click", () => link.connect());

const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

function showTheme() {
  root.dataset.shade = root.dataset.theme ?? (dark.matches ? "dark" : "light");
  element("theme").setAttribute("aria-pressed", String(root.dataset.shade === "dark"));
  element("theme").title = root.dataset.shade === "dark" ? "Light colours" : "Dark colours";
}

element("theme").addEventListener("click", () => {
  root.dataset.theme = root.dataset.shade === "dark" ? "light" : "dark";
  keep("livewarp.theme", root.dataset.theme);
  showTheme();
});
dark.addEventListener("change", showTheme);

showTheme();
enable(false);
document.body.dataset.link = "connecting";
link.start();
