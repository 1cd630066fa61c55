// The menu: one element that opens at the button that was pressed.

import { element, icon, make } from "/dom.js";

let opener = null;

// items: {label, detail, checked, risky, run} each, or a string: a line that cannot be chosen.
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
