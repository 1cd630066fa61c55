// The dialog: a question that one button answers, with or without a name to type.

import { element } from "/dom.js";
import { word } from "/words.js";

let attempt = null;

// Opens the dialog; `run` gets the name, and the dialog shows the error that it throws.
export function ask({ title, text = "", done, name = null, danger = false, run }) {
  element("ask-title").textContent = title;
  element("ask-text").textContent = text;
  element("ask-done").textContent = done;
  element("ask-done").className = danger ? "danger" : "primary";
  element("ask-field").hidden = name === null;
  element("ask-name").value = name ?? "";
  element("ask-error").textContent = "";
  attempt = run;
  element("ask").showModal();
  (name === null ? element("ask-cancel") : element("ask-name")).focus();
  element("ask-name").select();
}

element("ask-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = element("ask-name").value.trim();
  if (!element("ask-field").hidden && !name) {
    element("ask-error").textContent = word("ask.needed");
    element("ask-name").focus();
    return;
  }
  try {
    element("ask-done").disabled = true;
    await attempt(name);
    element("ask").close();
  } catch (error) {
    element("ask-error").textContent = error.message;
  } finally {
    element("ask-done").disabled = false;
  }
});
element("ask-cancel").addEventListener("click", () => element("ask").close());
