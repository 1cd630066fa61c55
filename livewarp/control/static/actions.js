// Changes that a person asks for: they are sent in order, and a short message says how it went.

import { say } from "/dom.js";
import { change, Refused } from "/link.js";

export function complain(error) {
  if (error instanceof Refused) say(error.message, true); // a lost connection has its own notice
}

// done: the message after a success, with or without an offer to undo it, or a function that makes it from the result.
export async function act(method, params, done) {
  try {
    const result = await change(method, params);
    if (done) say(typeof done === "function" ? done(result) : done);
  } catch (error) {
    complain(error);
  }
}
