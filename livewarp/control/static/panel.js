// The panel: puts the parts of the page together with what the daemon tells.

import { Controls } from "/controls.js";
import { element, icon, make, openMenu, rich, say, write } from "/dom.js";
import { forget, showState, showStats } from "/figures.js";
import { call, change, Link, Refused, Values } from "/link.js";
import { Presets } from "/presets.js";
import { Stage } from "/stage.js";

const link = new Link();
const stage = new Stage();
const values = new Values(showValue, complain);
const controls = new Controls(values, (names) => act("reset", names ? { names } : {}));
const presets = new Presets(values);

let described = ""; // as JSON: what the rows were built from
let process = null; // {version, pid} of the daemon that was spoken to last
let state = { state: "starting", reason: "" };
let switches = { blank: false, freeze: false };
let presetProblems = [];

const sentence = (text) => text && text[0].toUpperCase() + text.slice(1);

function complain(error) {
  if (error instanceof Refused) say(error.message, true); // a lost connection has its own notice
}

async function act(method, params, done) {
  try {
    const result = await change(method, params);
    if (done) say(typeof done === "function" ? done(result) : done);
  } catch (error) {
    complain(error);
  }
}

// --- switches below the picture -------------------------------------------------------------------

// Those of the daemon: whether each is on, and the method that turns it.
const SWITCHES = {
  bypass: ["Bypass", "Send the picture as it came", () => values.get("enabled") === false],
  freeze: ["Freeze", "Hold the last picture", () => switches.freeze],
  blank: ["Blank", "Show the privacy picture, and nothing of the camera", () => switches.blank],
  mirror: ["Mirror", "Mirror the picture, left for right", () => values.get("mirror") === true],
  overlay: ["Landmarks", "Draw landmarks, ids and confidence", () => values.get("overlay") === true],
};
let comparing = false;

function addSwitch(name, label, help, press) {
  const button = make(
    "button",
    { type: "button", "aria-pressed": "false", "data-switch": name, title: help, "aria-describedby": `switch-${name}` },
    icon(name),
    make("span", {}, label),
  );
  button.addEventListener("click", press);
  element("switches").append(button, make("span", { id: `switch-${name}`, class: "visually-hidden" }, help));
}

for (const [name, [label, help, isOn]] of Object.entries(SWITCHES)) {
  addSwitch(name, label, help, () => {
    if (name === "overlay") act("set", { overlay: !isOn() });
    else act(name, { on: !isOn() });
  });
}
element("switches").append(make("span", { class: "gap", "aria-hidden": "true" }));
addSwitch("split", "Compare", "Before and after, with a divider to drag", () => {
  comparing = !comparing;
  stage.split(comparing);
  showSwitches();
});

function showSwitches() {
  for (const button of element("switches").querySelectorAll("button")) {
    const name = button.dataset.switch;
    const on = name === "split" ? comparing : SWITCHES[name][2]();
    button.setAttribute("aria-pressed", String(on));
  }
  const bypassed = SWITCHES.bypass[2]();
  if (switches.blank) stage.mark("blank", "Blanked: the outputs get the privacy picture");
  else if (switches.freeze) stage.mark("freeze", "Frozen: the outputs get a still");
  else if (bypassed) stage.mark("bypass", comparing ? "" : "Bypassed: unfiltered");
  else stage.mark("", "");
  stage.mirror(SWITCHES.mirror[2]());
}

// --- what the daemon tells ------------------------------------------------------------------------

function showValue(name, value) {
  controls.show(name, value);
  marking ||= requestAnimationFrame(() => {
    marking = 0;
    presets.mark();
  });
}
let marking = 0;

link.addEventListener("open", ({ detail: { version, described: knobs } }) => {
  const restarted = process && (process.pid !== version.pid || process.version !== version.version);
  if (restarted && process.version !== version.version) location.reload(); // another livewarp has another page
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
  stage.run(true, "Waiting for a picture");
});

link.addEventListener("lost", ({ detail: { reason } }) => {
  values.forget();
  if (element("lost").hidden) {
    element("lost-text").replaceChildren(...rich("Trying again every second; `livewarp run` starts it."));
    element("lost").hidden = false;
  }
  state = { ...state, problems: [] }; // what was wrong with it is not known any more
  showProblems();
  showState({ state: "lost", reason });
  enable(false);
  stage.run(false, "No connection to livewarp");
});

function enable(on) {
  document.body.dataset.link = on ? "open" : "lost";
  for (const part of document.querySelectorAll("main, .route, #more")) part.inert = !on;
  element("source").disabled = !on;
}

link.addEventListener("parameters", ({ detail }) => {
  values.receive(detail);
  showSwitches();
});
link.addEventListener("switches", ({ detail }) => {
  switches = detail;
  showSwitches();
});
link.addEventListener("presets", ({ detail }) => {
  presets.show(detail);
  presetProblems = detail.problems ?? [];
  showProblems();
});
link.addEventListener("stats", ({ detail }) => showStats(detail));
link.addEventListener("state", ({ detail }) => {
  state = detail;
  showState(state);
  showRoute();
  showProblems();
  stage.explain(state.reason ? `${sentence(state.state)}: ${state.reason}` : "Waiting for a picture");
});

function showRoute() {
  write("source-name", state.source ?? "no source");
  element("source").title = `Source: ${state.source ?? "none"}`;
  const outputs = state.outputs ?? (state.sinks ?? []).map((name) => ({ name }));
  const text = JSON.stringify(outputs.map(({ name, problem, watched }) => [name, problem, watched]));
  if (element("outputs").dataset.shown === text) return;
  element("outputs").dataset.shown = text;
  element("outputs").replaceChildren(
    ...outputs.map(({ name, problem, watched }) => {
      const item = make(
        "li",
        { title: problem ?? name, class: problem ? "troubled" : null },
        icon(problem ? "warn" : "screen", "icon small"),
        make("span", { class: "clip" }, name),
      );
      if (watched === false) item.append(make("span", { class: "watchers" }, "not in use"));
      return item;
    }),
    ...(outputs.length ? [] : [make("li", {}, "no output")]),
  );
}

function showProblems() {
  const problems = [...(state.problems ?? []), ...presetProblems];
  const text = JSON.stringify(problems);
  if (element("problems").dataset.shown === text) return;
  element("problems").dataset.shown = text;
  element("problems").replaceChildren(
    ...problems.map(({ what, remedy }) =>
      make(
        "li",
        { class: "notice" },
        icon("warn"),
        make("p", {}, make("strong", {}, ...rich(sentence(what))), " ", make("span", { class: "remedy" }, ...rich(sentence(remedy ?? "")))),
      ),
    ),
  );
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
  try {
    localStorage.setItem("livewarp.theme", root.dataset.theme);
  } catch {
    // not kept
  }
  showTheme();
});
dark.addEventListener("change", showTheme);

showTheme();
enable(false);
document.body.dataset.link = "connecting";
link.start();
