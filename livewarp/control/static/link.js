// The link to the daemon: calls in order, and events while the page is visible.

import { word } from "/words.js";

const TOPICS = "parameters,switches,presets,preset,history,state,stats,faces";
const SILENCE_MS = 5000; // figures come four times a second: without one for this long, the daemon hangs
const RETRY_MS = 1000;
const ANSWER_MS = 10_000;
const UPLOAD_MS = 30_000; // a large photo is decoded and made smaller

// The daemon refused the call; any other failure is a lost connection.
export class Refused extends Error {}

export async function call(method, params) {
  const post = params && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(params),
  };
  let response;
  let result;
  try {
    response = await fetch(`/api/${method}`, { ...post, signal: AbortSignal.timeout(ANSWER_MS) });
    result = await response.json();
  } catch {
    throw new Error(word("lost.answer"));
  }
  if (!response.ok) throw new Refused(result.error?.message ?? word("refused", { status: response.status }));
  return result;
}

// Sends a file to a method that takes one.
export async function upload(method, query, file) {
  const post = { method: "POST", headers: { "Content-Type": file.type }, body: file };
  let response;
  let result;
  try {
    response = await fetch(`/api/${method}?${new URLSearchParams(query)}`, { ...post, signal: AbortSignal.timeout(UPLOAD_MS) });
    result = await response.json();
  } catch {
    throw new Error(word("lost.answer"));
  }
  if (!response.ok) throw new Refused(result.error?.message ?? word("refused", { status: response.status }));
  return result;
}

let last = Promise.resolve();

// Changes go one after the other, so that a reset never overtakes the drag before it.
export function inOrder(work) {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

export const change = (method, params = {}) => inOrder(() => call(method, params));

// Events of the link: "open" {version, described}, "lost" {reason}, and each topic with its value.
export class Link extends EventTarget {
  #source = null;
  #watchdog = 0;
  #retry = 0;
  #attempt = 0;

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#hangUp() : this.connect()));
    addEventListener("pagehide", () => this.#hangUp());
    if (!document.hidden) this.connect();
  }

  async connect() {
    this.#hangUp();
    const attempt = this.#attempt;
    try {
      const [version, described] = await Promise.all([call("version"), call("describe")]);
      if (attempt !== this.#attempt) return;
      this.#dispatch("open", { version, described });
      this.#listen();
    } catch (error) {
      if (attempt === this.#attempt) this.#lose(error.message);
    }
  }

  #listen() {
    const source = new EventSource(`/api/events?topics=${TOPICS}&rate_hz=30`);
    this.#source = source;
    this.#stayAwake();
    for (const topic of TOPICS.split(",")) {
      source.addEventListener(topic, (event) => {
        this.#stayAwake();
        this.#dispatch(topic, JSON.parse(event.data));
      });
    }
    // EventSource would reconnect by itself, but not after a refusal, and the knobs would not be described anew.
    source.addEventListener("error", () => this.#lose(word("lost.ended")));
  }

  #stayAwake() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#lose(word("lost.silent")), SILENCE_MS);
  }

  #lose(reason) {
    this.#hangUp();
    this.#dispatch("lost", { reason });
    this.#retry = setTimeout(() => this.connect(), RETRY_MS);
  }

  #hangUp() {
    this.#attempt += 1;
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #dispatch(topic, detail) {
    this.dispatchEvent(new CustomEvent(topic, { detail }));
  }
}
