// The line to the daemon: calls in turn, and events for as long as the page is seen.

const TOPICS = "parameters,switches,presets,state,stats";
const SILENCE_MS = 5000; // figures come four times a second: so long without one is a daemon that hangs
const RETRY_MS = 1000;
const ANSWER_MS = 10_000;

// The daemon said no; whatever else goes wrong is a lost connection.
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
    throw new Error("livewarp does not answer");
  }
  if (!response.ok) throw new Refused(result.error?.message ?? `livewarp answers with ${response.status}`);
  return result;
}

let last = Promise.resolve();

// Changes go one after the other, so that a reset never overtakes the drag before it.
export function inTurn(work) {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

export const change = (method, params = {}) => inTurn(() => call(method, params));

// Events of the link: "open" {version, described}, "lost" {reason}, and each topic with its value.
export class Link extends EventTarget {
  #source = null;
  #watchdog = 0;
  #retry = 0;
  #attempt = 0;
  open = false;

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
      this.#tell("open", { version, described });
      this.open = true;
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
        this.#tell(topic, JSON.parse(event.data));
      });
    }
    // EventSource would try again by itself, but not after a refusal, and without a new description.
    source.addEventListener("error", () => this.#lose("it has ended"));
  }

  #stayAwake() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#lose("it says nothing any more"), SILENCE_MS);
  }

  #lose(reason) {
    this.#hangUp();
    this.#tell("lost", { reason });
    this.#retry = setTimeout(() => this.connect(), RETRY_MS);
  }

  #hangUp() {
    this.#attempt += 1;
    this.open = false;
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #tell(topic, detail) {
    this.dispatchEvent(new CustomEvent(topic, { detail }));
  }
}

// The live parameters: what the daemon says, under what is being changed here.
//
// A parameter is held from the first touch until a moment after the daemon's last answer: in between,
// events tell of values that are older than the hand.
export class Values {
  #known = new Map();
  #wanted = new Map(); // has yet to be sent
  #sent = new Set(); // is under way
  #heard = new Set(); // under way, and an event has told of it since
  #grabbed = new Set();
  #settling = new Map(); // name -> timer
  #show;
  #complain;

  constructor(show, complain) {
    this.#show = show;
    this.#complain = complain;
  }

  get(name) {
    return this.#known.get(name);
  }

  receive(values) {
    for (const [name, value] of Object.entries(values)) {
      this.#known.set(name, value);
      if (this.#sent.has(name)) this.#heard.add(name);
      if (!this.#held(name)) this.#show(name, value);
    }
  }

  // While a request is under way only the newest value of each parameter is kept.
  change(name, value) {
    clearTimeout(this.#settling.get(name));
    this.#settling.delete(name);
    if (!this.#wanted.size) inTurn(() => this.#send());
    this.#wanted.set(name, value);
    this.#show(name, value);
  }

  grab(name) {
    this.#grabbed.add(name);
  }

  release(name) {
    if (this.#grabbed.delete(name)) this.#settle(name, 0);
  }

  // After a lost connection nothing is held, and nothing sent that was meant for another daemon.
  forget() {
    for (const timer of this.#settling.values()) clearTimeout(timer);
    for (const held of [this.#settling, this.#wanted, this.#sent, this.#heard, this.#grabbed]) held.clear();
  }

  async #send() {
    const values = Object.fromEntries(this.#wanted);
    const names = Object.keys(values);
    this.#wanted.clear();
    if (!names.length) return;
    for (const name of names) this.#sent.add(name);
    try {
      const answer = await call("set", values);
      // Events come in order, and answers beside them: one that came meanwhile may be newer than this answer.
      for (const name of names) if (!this.#heard.has(name)) this.#known.set(name, answer[name]);
    } catch (error) {
      this.#complain(error);
    } finally {
      for (const name of names) {
        this.#sent.delete(name);
        this.#heard.delete(name);
        this.#settle(name, SETTLE_MS);
      }
    }
  }

  #settle(name, after) {
    clearTimeout(this.#settling.get(name));
    this.#settling.set(
      name,
      setTimeout(() => {
        this.#settling.delete(name);
        if (!this.#held(name) && this.#known.has(name)) this.#show(name, this.#known.get(name));
      }, after),
    );
  }

  #held(name) {
    return this.#grabbed.has(name) || this.#wanted.has(name) || this.#sent.has(name) || this.#settling.has(name);
  }
}

const SETTLE_MS = 300; // events of one's own changes have come by then
