// The panel: builds a control for every parameter that the daemon describes, and keeps page and
// daemon in step. Values come from a question a second; what is being dragged is left alone.
"use strict";

const POLL_MS = 1000;
const element = (id) => document.getElementById(id);
const rows = new Map(); // name -> what is on the page for that parameter
const pending = new Map(); // name -> value that the daemon has yet to get
let last = Promise.resolve(); // the newest request that changes something
let underWay = 0; // how many of them have no answer yet
let changes = 0; // how many there have been

async function call(method, params) {
  const post = params && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(params),
  };
  const response = await fetch(`/api/${method}`, post);
  const result = await response.json();
  if (!response.ok) throw new Error(result.error.message);
  return result;
}

function complain(text) {
  element("problem").hidden = !text;
  if (element("problem").textContent !== text) element("problem").textContent = text;
}

// --- parameters -----------------------------------------------------------------------------------

const shown = (value) => (typeof value === "boolean" ? (value ? "on" : "off") : String(+value.toFixed(4)));

function show(name, value) {
  const row = rows.get(name);
  if (!row) return;
  if (row.bool) row.input.checked = value;
  else row.input.value = value;
  row.output.value = row.unit ? `${shown(value)} ${row.unit}` : shown(value);
}

// Changes go one after the other, so that a reset never overtakes the drag before it.
function inTurn(work) {
  underWay += 1;
  changes += 1;
  last = last
    .then(work)
    .then(() => complain(""), (error) => complain(error.message))
    .finally(() => (underWay -= 1));
}

// While a request is under way only the newest value of each parameter is kept.
function change(name, value) {
  show(name, value);
  if (!pending.size) {
    inTurn(() => {
      const values = Object.fromEntries(pending);
      pending.clear();
      return call("set", values);
    });
  }
  pending.set(name, value);
}

function reset(names) {
  inTurn(async () => {
    const values = await call("reset", names ? { names } : {});
    for (const [name, value] of Object.entries(values)) show(name, value);
  });
}

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function addParameter(name, described) {
  const bool = described.type === "bool";
  const id = `parameter-${name}`;
  const input = bool
    ? make("input", { id, type: "checkbox", role: "switch" })
    : make("input", {
        id,
        type: "range",
        min: described.min,
        max: described.max,
        step: (described.max - described.min) / 100,
      });
  input.setAttribute("aria-describedby", `${id}-help`);
  const resetButton = make("button", { type: "button", title: `Reset ${name}`, "aria-label": `Reset ${name}` }, "↺");
  const output = make("output", { for: id });
  const label = make("label", { for: id }, name.replaceAll("_", " "));
  const row = make("div", { class: "row" }, label, resetButton, output, ...(bool ? [input] : []));
  const item = make("li", {}, row, ...(bool ? [] : [input]));
  item.append(make("p", { class: "help", id: `${id}-help` }, described.help));
  rows.set(name, { input, output, bool, unit: described.unit });
  input.addEventListener("input", () => change(name, bool ? input.checked : Number(input.value)));
  input.addEventListener("dblclick", () => reset([name]));
  resetButton.addEventListener("click", () => reset([name]));
  element("parameters").append(item);
}

// --- what the daemon does -------------------------------------------------------------------------

function showState(state) {
  element("state").textContent = state.reason ? `${state.state}: ${state.reason}` : state.state;
  element("state").className = state.state;
  const sinks = [].concat(state.sinks ?? []).join(", ") || "no sink";
  element("route").textContent = `${state.source ?? "no source"} → ${sinks}`;
}

function showStats(stats) {
  const fixed = (value, digits) => (typeof value === "number" ? value.toFixed(digits) : "–");
  const facts = {
    fps: fixed(stats.fps, 1),
    "latency p50": `${fixed(stats.latency?.p50_ms, 1)} ms`,
    p99: `${fixed(stats.latency?.p99_ms, 1)} ms`,
    late: fixed(stats.late, 0),
    faces: fixed(stats.faces, 0),
    cpu: `${fixed(stats.cpu_percent, 0)} %`,
  };
  const pairs = Object.entries(facts).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  element("stats").replaceChildren(...pairs);
}

// --- in step --------------------------------------------------------------------------------------

let connected = false;

// The stream runs only while the page is seen: nobody looks, nothing is encoded.
function showPreview() {
  if (document.hidden || !connected) element("preview").removeAttribute("src");
  else element("preview").src = `/preview.mjpeg?${Date.now()}`;
}

async function poll() {
  try {
    if (document.hidden) return;
    if (!rows.size) {
      for (const [name, described] of Object.entries(await call("describe"))) addParameter(name, described);
    }
    const before = changes;
    const [values, state, stats] = await Promise.all([call("get"), call("state"), call("stats")]);
    for (const [name, value] of Object.entries(values)) {
      const busy = underWay || before !== changes || rows.get(name)?.input.matches(":active");
      if (!busy) show(name, value);
    }
    showState(state);
    showStats(stats);
    if (!connected) {
      connected = true;
      complain("");
      showPreview();
    }
  } catch (error) {
    const gone = error instanceof TypeError; // what fetch throws where nothing answers
    complain(gone ? "livewarp does not answer; `livewarp run` starts it. Trying again." : error.message);
    element("state").textContent = "not connected";
    element("state").className = "";
    connected = false;
    showPreview(); // a picture that stands still would look like a live one
  } finally {
    setTimeout(poll, POLL_MS);
  }
}

document.addEventListener("visibilitychange", showPreview);
element("preview").addEventListener("error", () => {
  if (connected && !document.hidden) setTimeout(showPreview, POLL_MS);
});
element("reset-all").addEventListener("click", () => reset());
poll();
