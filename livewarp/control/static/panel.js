// The panel: connects the parts of the page with the daemon.

import { act, complain } from "/actions.js";
import { Buttons, KNOBS_ELSEWHERE } from "/buttons.js";
import { Controls } from "/controls.js";
import { acceptDrops } from "/drops.js";
import { element, icon, keep, make, redraw, offer, rich, say, sentence, title, write } from "/dom.js";
import { forget, showState, showStats } from "/figures.js";
import { listen, showKeys } from "/keys.js";
import { call, Link } from "/link.js";
import { Looks } from "/looks.js";
import { openMenu } from "/menu.js";
import { showProblems } from "/notices.js";
import { Screen } from "/screen.js";
import { showSteps } from "/steps.js";
import { haveTextures, openTexture, wantsDrop } from "/texture.js";
import { Values } from "/values.js";
import { openWebcam } from "/webcam.js";
import { fill, word } from "/words.js";

fill(document);

const link = new Link();
export const screen = new Screen();
const values = new Values(showValue);
const looks = new Looks((box) => screen.place(box));
const controls = new Controls(
  {
    change: (name, value) => values.change(name, value),
    grab: (name) => values.grab(name),
    release: (name) => values.release(name),
    value: (name) => values.get(name),
    reset: (names) => act("reset", names ? { names } : {}, names?.length === 1 ? undefined : offer(word("reset.done"))),
    showLooks: (names) => looks.cards(names),
  },
  KNOBS_ELSEWHERE,
);
const buttons = new Buttons(values, screen);

let described = ""; // as JSON: what the rows were built from
let process = null; // {version, pid} of the daemon at the last connection
let state = { state: "starting", reason: "" };
let blanked = false;
let presetProblems = [];
let revealed = null; // an adjustment that is to be shown, once it is there

// --- from the daemon ------------------------------------------------------------------------------

function showValue(name, value) {
  controls.show(name, value);
}

link.addEventListener("open", ({ detail: { version, described: knobs } }) => {
  const restarted = process && (process.pid !== version.pid || process.version !== version.version);
  if (restarted && process.version !== version.version) location.reload(); // another version has another page
  if (restarted) say(word("restarted"));
  process = version;
  const text = JSON.stringify(knobs);
  if (text !== described) {
    described = text;
    controls.build(knobs);
    element("own-manage").hidden = !Object.values(knobs).some(({ group }) => group === "own");
  }
  if (revealed) controls.reveal(revealed);
  revealed = null;
  values.forget();
  forget();
  element("lost").hidden = true;
  enable(true);
  screen.run(true, word("preview.waiting"));
});

link.addEventListener("lost", ({ detail: { reason } }) => {
  values.forget();
  if (element("lost").hidden) {
    element("lost-text").replaceChildren(...rich(word("lost.text")));
    element("lost").hidden = false;
  }
  state = { ...state, problems: [] }; // they may have ended since
  showProblems([...(state.problems ?? []), ...presetProblems]);
  showState({ state: "lost", reason });
  enable(false);
  looks.camera(false);
  screen.run(false, word("preview.gone"));
});

function enable(on) {
  document.body.dataset.link = on ? "open" : "lost";
  for (const part of document.querySelectorAll("main, .route, #menu-more")) part.inert = !on;
  element("source").disabled = !on;
}

link.addEventListener("parameters", ({ detail }) => {
  values.receive(detail);
  buttons.show();
});
link.addEventListener("switches", ({ detail }) => {
  buttons.show(detail);
  blanked = detail.blank;
  looks.camera(!blanked);
});
link.addEventListener("faces", ({ detail }) => screen.look(detail, state.size));
link.addEventListener("presets", ({ detail }) => {
  looks.show(detail);
  controls.know(looks.names);
  presetProblems = detail.problems;
  showProblems([...(state.problems ?? []), ...presetProblems]);
});
link.addEventListener("preset", ({ detail }) => looks.mark(detail));
link.addEventListener("history", ({ detail }) => {
  for (const way of ["undo", "redo"]) element(way).disabled = !detail[way];
});
link.addEventListener("stats", ({ detail }) => showStats(detail));
link.addEventListener("state", ({ detail }) => {
  state = detail;
  showState(state);
  showRoute();
  showSteps(state);
  showProblems([...(state.problems ?? []), ...presetProblems]);
  controls.limit(state.limited ?? {});
  screen.explain(state.reason ? `${sentence(state.state)}: ${state.reason}` : word("preview.waiting"));
});

function showRoute() {
  const source = state.source?.startsWith("portrait") ? word("source.portrait") : (state.source ?? word("source.none"));
  write("source-name", source);
  element("source").title = word("source.title", { name: state.source ?? word("source.none") });
  const outputs = state.outputs.map(({ name, problem, watched }) => ({ name, problem, watched }));
  redraw("outputs", outputs.length ? outputs : [{ name: word("outputs.none") }], drawOutput);
}

function drawOutput({ name, problem, watched }) {
  const item = make(
    "li",
    { title: problem ?? name, class: problem ? "troubled" : null },
    icon(problem ? "warn" : "screen", "icon small"),
    make("span", { class: "clip" }, name === "null" ? word("outputs.null") : name),
  );
  if (watched === false) item.append(make("span", { class: "watchers" }, word("outputs.idle")));
  return item;
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
        run: () => !current && act("source.switch", { source }, word("source.switching", { name })),
      })),
      { label: word("webcam"), detail: word("webcam.detail"), run: openWebcam },
    ]);
  } catch (error) {
    complain(error);
  }
});

element("menu-more").addEventListener("click", () =>
  openMenu(element("menu-more"), [
    {
      label: word("reload"),
      detail: word("reload.detail"),
      run: () =>
        act("reload", {}, ({ parameters, restart }) => {
          const taken = Object.keys(parameters).length;
          if (restart.length) return word("reload.restart", { names: restart.join(", ") });
          return taken ? word("reload.done", { names: Object.keys(parameters).join(", ") }) : word("reload.nothing");
        }),
    },
    { label: word("looks.import"), detail: word("looks.import.detail"), run: () => element("import-file").click() },
    { label: word("keys"), detail: word("keys.detail"), run: showKeys },
    { label: word("stream"), detail: word("stream.detail"), run: () => open("/preview.mjpeg", "_blank", "noopener") },
  ]),
);

// Undo and redo, for every knob and look that any client has changed.
function move(way) {
  act(way, {}, ({ values: changed, presets }) => word(`${way}.done`, { names: [...Object.keys(changed).map(title), ...presets].join(", ") }));
}

for (const way of ["undo", "redo"]) element(way).addEventListener("click", () => move(way));
element("toast-undo").addEventListener("click", () => {
  element("panel").focus({ preventScroll: true });
  move("undo");
});

const press = (button) => element("switches").querySelector(`[data-switch=${button}]`).click();
listen(
  {
    "/": () => {
      element("search").focus();
      element("search").select();
    },
    "?": showKeys,
    "c": () => press("split"),
    "f": () => press("zoom"),
    "b": () => press("blank"),
    "\\": () => screen.peek(true),
    "ctrl+z": () => move("undo"),
    "ctrl+shift+z": () => move("redo"),
    "ctrl+y": () => move("redo"),
    "ctrl+s": () => looks.save(),
    ...Object.fromEntries(Array.from("123456789", (digit) => [digit, () => controls.tab(Number(digit) - 1)])),
  },
  { "\\": () => screen.peek(false) },
);
addEventListener("blur", () => screen.peek(false));

acceptDrops((file) => looks.take(file), (file, target) => wantsDrop(target) && (openTexture(file), true));
haveTextures((parameter) => {
  revealed = parameter;
  link.connect(); // there are other adjustments now
});

element("retry").addEventListener("click", () => link.connect());

const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

function showTheme() {
  root.dataset.shade = root.dataset.theme ?? (dark.matches ? "dark" : "light");
  element("theme").setAttribute("aria-pressed", String(root.dataset.shade === "dark"));
  element("theme").title = word(root.dataset.shade === "dark" ? "theme.light" : "theme.dark");
}

element("theme").addEventListener("click", () => {
  root.dataset.theme = root.dataset.shade === "dark" ? "light" : "dark";
  keep("livewarp.theme", root.dataset.theme);
  showTheme();
});
dark.addEventListener("change", showTheme);

// In a narrow window the tabs stay below the picture, which stays, too.
new ResizeObserver(([{ target }]) => root.style.setProperty("--seen", `${Math.round(target.offsetHeight)}px`)).observe(
  document.querySelector(".preview"),
);

showTheme();
enable(false);
document.body.dataset.link = "connecting";
link.start();
