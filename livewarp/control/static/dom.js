// Small helpers for elements, menus, questions and short messages.

export const element = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function icon(name, classes = "icon") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

// What stands between backticks is code.
export function rich(text) {
  return text.split("`").map((part, i) => (i % 2 ? make("code", {}, part) : part));
}

// Text that a screen reader reads out again only when it has changed.
export function write(id, text) {
  const place = element(id);
  if (place.textContent !== text) place.textContent = text;
}

let hiding = 0;

export function say(text, bad = false) {
  const toast = element("toast");
  toast.textContent = text;
  toast.className = bad ? "toast shown bad" : "toast shown";
  clearTimeout(hiding);
  hiding = setTimeout(() => toast.classList.remove("shown"), bad ? 8000 : 3000);
}

// --- menus ----------------------------------------------------------------------------------------

let opener = null;

// items: {label, detail, checked, risky, run}; a text: a line that cannot be chosen.
export function openMenu(button, items) {
  const menu = element("menu");
  const again = opener === button;
  if (menu.matches(":popover-open")) menu.hidePopover();
  if (again) return;
  opener = button;
  menu.setAttribute("aria-label", button.getAttribute("aria-label") ?? button.textContent.trim());
  menu.replaceChildren(
    ...items.map((item) => {
      if (typeof item === "string") return make("p", {}, item);
      const text = make("span", {}, item.label);
      if (item.detail) text.append(make("span", { class: "detail" }, item.detail));
      const radio = item.checked !== undefined;
      const entry = make("button", {
        type: "button",
        role: radio ? "menuitemradio" : "menuitem",
        tabindex: "-1",
        class: item.risky ? "risky" : null,
        "aria-checked": radio ? String(item.checked) : null,
      });
      if (radio) entry.append(icon("check", "icon small"));
      entry.append(text);
      entry.addEventListener("click", () => {
        menu.hidePopover();
        item.run();
      });
      return entry;
    }),
  );
  button.setAttribute("aria-expanded", "true");
  menu.showPopover();
  const at = button.getBoundingClientRect();
  const left = Math.min(at.left, innerWidth - menu.offsetWidth - 8);
  const below = at.bottom + 6 + menu.offsetHeight <= innerHeight;
  menu.style.left = `${Math.max(8, left)}px`;
  menu.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - 6 - menu.offsetHeight)}px`;
  (menu.querySelector("[aria-checked=true]") ?? menu.querySelector("button"))?.focus();
}

element("menu").addEventListener("toggle", (event) => {
  if (event.newState !== "closed" || !opener) return;
  const closed = opener;
  closed.setAttribute("aria-expanded", "false");
  if (document.activeElement === document.body || element("menu").contains(document.activeElement)) closed.focus();
  // A click on the opener hides the menu before it arrives there: it must not open it again.
  setTimeout(() => (opener = opener === closed ? null : opener));
});

element("menu").addEventListener("keydown", (event) => {
  const entries = [...element("menu").querySelectorAll("button")];
  const at = entries.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + entries.length, Home: 0, End: entries.length - 1 }[event.key];
  if (event.key === "Tab") element("menu").hidePopover();
  if (to === undefined) return;
  event.preventDefault();
  entries[to % entries.length].focus();
});

// --- questions ------------------------------------------------------------------------------------

let attempt = null;

// Opens the dialog; `run` gets the name, and what it throws is shown there.
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
    element("ask-error").textContent = "A name is needed.";
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
