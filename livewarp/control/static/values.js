// The live parameters: the daemon's values, and on top of them those that are being changed here.
//
// A parameter is held from the first touch until a moment after the daemon's last answer: in between,
// events carry values that are older than the hand.

import { complain } from "/actions.js";
import { call, inOrder } from "/link.js";

const NEAR = 1e-6; // two numbers that differ by less are the same
const SETTLE_MS = 300; // events of one's own changes have come by then
export class Values {
  #known = new Map();
  #wanted = new Map(); // has yet to be sent
  #sent = new Set(); // is under way
  #heard = new Set(); // under way, and an event has brought a value since
  #grabbed = new Set();
  #settling = new Map(); // name -> timer
  #show;

  // show(name, value): called whenever the value on the page has to change.
  constructor(show) {
    this.#show = show;
  }

  get(name) {
    return this.#known.get(name);
  }

  is(name, value) {
    const known = this.#known.get(name);
    return known === value || Math.abs(known - value) < NEAR;
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
    if (!this.#wanted.size) inOrder(() => this.#send());
    this.#wanted.set(name, value);
    this.#show(name, value);
  }

  grab(name) {
    this.#grabbed.add(name);
  }

  release(name) {
    if (this.#grabbed.delete(name)) this.#settle(name, 0);
  }

  // After a lost connection nothing is held, and what was meant for the old daemon is not sent.
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
      complain(error);
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
