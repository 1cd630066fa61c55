// The controls: a row for every knob that the daemon describes, in sections, of which a tab shows some.

import { element, fetched, icon, keep, make, title } from "/dom.js";
import { makeRow } from "/row.js";
import { entry, find } from "/search.js";
import { Tabs } from "/tabs.js";
import { counted, LOOKS, TABS, word } from "/words.js";

const CLOSED = "livewarp.closed"; // the sections that are folded up, kept by the browser
const STARRED = "livewarp.favourites";
const OWN = "skin"; // the tab in which textures of one's own are added
const TOP = "strength"; // the knob that governs all others stands above them

export const tabOf = (group) => TABS.find(({ groups }) => groups.includes(group))?.name ?? "more";

export class Controls {
  #acts;
  #apart;
  #rows = new Map();
  #sections = new Map(); // group -> {group, tab, box, list, details, count, reset, rows}
  #top = [];
  #closed = new Set(fetched(CLOSED, []));
  #starred = new Set(fetched(STARRED, []));
  #listed = new Set(); // what the tab of changes shows: one that is reset meanwhile stays under the hand
  #looks = []; // their names, for the search
  #tabs;
  #query = "";

  // acts: change(name, value), grab(name), release(name), value(name), reset(names; null: all),
  // showLooks(names that are found; null: all; []: none). apart: the knobs that are shown elsewhere.
  constructor(acts, apart) {
    this.#acts = { ...acts, star: (name) => this.#star(name), hint: (text) => (element("hint").textContent = text) };
    this.#apart = apart;
    this.#tabs = new Tabs(() => this.#choose());
    element("search").addEventListener("input", () => this.#search());
    element("search").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.clearSearch();
      if (event.key === "Enter" || event.key === "ArrowDown") this.#enter(event);
    });
    element("reset-tab").addEventListener("click", () => this.#resetTab());
  }

  get rows() {
    return this.#rows;
  }

  build(described) {
    this.#rows.clear();
    this.#sections.clear();
    this.#top = [];
    for (const [name, knob] of Object.entries(described)) {
      if (this.#apart.has(name)) continue;
      const tab = tabOf(knob.group);
      const row = makeRow(name, knob, word(`tab.${tab}`), this.#acts);
      this.#rows.set(name, row);
      row.starred(this.#starred.has(name));
      if (name === TOP) this.#top.push(row.item);
      else this.#section(knob.group, tab).rows.push(row);
    }
    element("master").replaceChildren(make("ul", {}, ...this.#top));
    const tabs = [...TABS.map(({ name }) => name), "more"].filter((tab) => this.#of(tab).length);
    element("groups").replaceChildren(...tabs.flatMap((tab) => this.#of(tab).map((section) => section.box)));
    this.#tabs.build(["looks", ...tabs, "favourites", "changed"]);
    this.#home();
    this.#draw();
  }

  // The looks that there are, for the search.
  know(names) {
    this.#looks = names.map((name) => entry(`look:${name}`, name, LOOKS[name] ?? ""));
    if (this.#query) this.#search();
  }

  show(name, value) {
    const row = this.#rows.get(name);
    if (!row) return;
    const before = row.moved;
    row.show(value);
    if (row.moved === before) return;
    this.#count(this.#sections.get(row.group));
    this.#countChanged();
  }

  // limited: by knob, what share of it is held back.
  limit(limited) {
    for (const [name, row] of this.#rows) row.limited(limited[name] ?? 0);
  }

  // The tab of that number, from 0; focus goes with it.
  tab(number) {
    this.#tabs.choose(this.#tabs.names[number]);
    element("panel").focus({ preventScroll: true });
  }

  // Goes to an adjustment.
  reveal(name) {
    const row = this.#rows.get(name);
    if (!row) return;
    this.#tabs.choose(this.#sections.get(row.group).tab);
    const section = this.#sections.get(row.group);
    section.details.open = true;
    element(`parameter-${name}`).focus();
    row.item.scrollIntoView({ block: "center" });
  }

  clearSearch() {
    element("search").value = "";
    this.#search();
  }

  #of(tab) {
    return [...this.#sections.values()].filter((section) => section.tab === tab);
  }

  #section(group, tab) {
    const known = this.#sections.get(group);
    if (known) return known;
    const count = make("span", { class: "changed" });
    const summary = make("summary", {}, icon("chevron", "icon small"), make("span", {}, title(group)), count);
    const list = make("ul");
    const details = make("details", { class: "group-body" }, summary, list);
    details.open = !this.#closed.has(group);
    details.addEventListener("toggle", () => this.#keepFold(group, details.open));
    const reset = make("button", { type: "button", class: "quiet reset-group", "aria-label": word("reset.one", { name: title(group) }) }, word("reset"));
    reset.hidden = true;
    const section = { group, tab, box: make("div", { class: "group" }, details, reset), list, details, count, reset, rows: [] };
    reset.addEventListener("click", () => {
      summary.focus(); // the button goes away
      this.#acts.reset(section.rows.map((row) => row.name));
    });
    this.#sections.set(group, section);
    return section;
  }

  #count(section) {
    if (!section) return;
    const moved = section.rows.filter((row) => row.moved).length;
    section.count.textContent = moved ? counted("changed", moved) : "";
    section.reset.hidden = !moved;
    if (this.#tabs.current === section.tab) element("reset-tab").hidden = !this.#shown().some((row) => row.moved);
  }

  #countChanged() {
    const moved = [...this.#rows.values()].filter((row) => row.moved);
    this.#tabs.count("changed", moved.length);
    if (this.#tabs.current !== "changed" || this.#query) return;
    for (const row of moved) this.#listed.add(row.name);
    this.#draw();
  }

  #keepFold(group, open) {
    if (this.#gathering) return; // opened by the page, not by a person
    if (open) this.#closed.delete(group);
    else this.#closed.add(group);
    keep(CLOSED, JSON.stringify([...this.#closed]));
  }

  // Whether the tab gathers rows of many sections.
  get #gathering() {
    return ["favourites", "changed"].includes(this.#tabs.current);
  }

  #star(name) {
    if (!this.#starred.delete(name)) this.#starred.add(name);
    this.#rows.get(name).starred(this.#starred.has(name));
    keep(STARRED, JSON.stringify([...this.#starred]));
    this.#tabs.count("favourites", [...this.#rows.keys()].filter((each) => this.#starred.has(each)).length);
  }

  // --- what is shown ------------------------------------------------------------------------------

  #choose() {
    element("search").value = this.#query = "";
    this.#listed = new Set([...this.#rows.values()].filter((row) => row.moved).map((row) => row.name));
    this.#home();
    this.#draw();
    element("panel").scrollTop = 0;
  }

  // Every row back in its section.
  #home() {
    for (const section of this.#sections.values()) section.list.replaceChildren(...section.rows.map((row) => row.item));
    element("results").replaceChildren();
    const top = element("master").firstElementChild;
    top?.replaceChildren(...this.#top);
  }

  #belongs(row) {
    const tab = this.#tabs.current;
    if (tab === "favourites") return this.#starred.has(row.name);
    if (tab === "changed") return this.#listed.has(row.name);
    return this.#sections.get(row.group)?.tab === tab;
  }

  #shown() {
    return [...this.#sections.values()].flatMap((section) => section.rows).filter((row) => this.#belongs(row));
  }

  #draw() {
    const tab = this.#tabs.current;
    const shown = new Set(this.#shown());
    const sections = [...this.#sections.values()];
    for (const section of sections) {
      const rows = section.rows.filter((row) => shown.has(row));
      for (const row of section.rows) row.item.hidden = !shown.has(row);
      section.box.hidden = !rows.length;
      section.details.open = this.#gathering || !this.#closed.has(section.group);
      section.box.classList.toggle("alone", !this.#gathering && title(section.group) === word(`tab.${section.tab}`));
      if (section.box.classList.contains("alone")) section.details.open = true;
      this.#count(section);
    }
    element("groups").hidden = false;
    element("results").hidden = true;
    element("tab-title").textContent = word(`tab.${tab}`);
    const none = this.#gathering && !shown.size ? word(`${tab}.none`) : "";
    element("found").textContent = none;
    element("found").classList.remove("visually-hidden");
    element("reset-tab").textContent = word(tab === "changed" ? "reset.all" : "reset");
    element("reset-tab").setAttribute("aria-label", tab === "changed" ? word("reset.all") : word("reset.one", { name: word(`tab.${tab}`) }));
    element("reset-tab").hidden = tab === "changed" ? !shown.size : ![...shown].some((row) => row.moved);
    this.#tabs.count("changed", [...this.#rows.values()].filter((row) => row.moved).length);
    this.#tabs.count("favourites", [...this.#rows.keys()].filter((name) => this.#starred.has(name)).length);
    this.#acts.showLooks(tab === "looks" ? null : []);
    element("own").hidden = tab !== OWN;
  }

  #resetTab() {
    element("panel").focus(); // the button goes away
    this.#acts.reset(this.#tabs.current === "changed" ? null : this.#shown().filter((row) => row.moved).map((row) => row.name));
  }

  // --- search -------------------------------------------------------------------------------------

  #search() {
    this.#query = element("search").value.trim();
    this.#tabs.searching(Boolean(this.#query));
    this.#home();
    if (!this.#query) {
      this.#draw();
      return;
    }
    const { found, near } = find(this.#query, [...[...this.#rows.values()].map((row) => row.entry), ...this.#looks]);
    const keys = found.length ? found : near;
    const looks = keys.filter((key) => key.startsWith("look:")).map((key) => key.slice(5));
    const rows = keys.filter((key) => this.#rows.has(key)).map((key) => this.#rows.get(key));
    const copies = rows.map((row) => row.item);
    for (const item of copies) item.hidden = false;
    element("results").replaceChildren(...copies);
    element("results").hidden = false;
    element("groups").hidden = element("own").hidden = true;
    element("reset-tab").hidden = true;
    element("tab-title").textContent = word("search.results");
    const said = found.length ? counted("search.found", found.length) : word(near.length ? "search.near" : "search.none", { query: this.#query });
    element("found").textContent = said;
    element("found").classList.toggle("visually-hidden", found.length > 0);
    this.#acts.showLooks(looks);
    element("panel").scrollTop = 0;
  }

  // To the first that was found.
  #enter(event) {
    if (!this.#query) return;
    event.preventDefault();
    const first = element("results").querySelector(".row :is([id^=parameter-]:not(div), :checked)") ?? document.querySelector("#cards .wear");
    first?.focus();
  }
}
