// The search: which knobs and looks a person means by some words, best first; where none, what is near.

import { EMPTY, SYNONYMS } from "/words.js";

const EXACT = 1;
const PREFIX = 0.8;
const SYNONYM = 0.7;
const TYPO = 0.5;
const KEYWORD = 0.9; // times what a match with a keyword counts; with the name it counts 1
const NEAR_ENOUGH = 0.34; // share of letter pairs that two words share

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// The part of an English word that its forms share: "eyes" and "eye", "bigger" and "big", "ageing" and "age".
export function stem(text) {
  let word = text;
  if (word.length > 3) word = word.replace(/ies$/, "y").replace(/(sh|ch|ss|x)es$/, "$1").replace(/([^s])s$/, "$1");
  if (word.length > 4) word = word.replace(/(ing|est|ness|ed|er|en)$/, "");
  if (word.length > 3) word = word.replace(/([bdfgmnprt])\1$/, "$1");
  return word.length > 2 ? word.replace(/[eiy]$/, "") : word;
}

const words = (text) => plain(text).split(/[^\p{L}\p{N}]+/u).filter(Boolean);

const GROUPS = SYNONYMS.map((group) => group.map(stem));
const SKIPPED = new Set(EMPTY);

// An entry that can be found: {key, name, keywords, help}, as texts.
export function entry(key, name, keywords, help = "") {
  return { key, name: words(name).map(stem), keywords: words(keywords).map(stem), help: words(help).map(stem), text: plain(name) };
}

const distanceIsOne = (a, b) => {
  if (Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i += 1;
  const rest = (s, from) => s.slice(from);
  return (
    rest(a, i + 1) === rest(b, i + 1) || rest(a, i + 1) === rest(b, i) || rest(a, i) === rest(b, i + 1) ||
    (a[i] === b[i + 1] && a[i + 1] === b[i] && rest(a, i + 2) === rest(b, i + 2)) // two letters exchanged
  );
};

function likeness(asked, known) {
  if (asked === known) return EXACT;
  if (known.startsWith(asked)) return PREFIX;
  if (GROUPS.some((group) => group.includes(asked) && group.includes(known))) return SYNONYM;
  return asked.length > 3 && distanceIsOne(asked, known) ? TYPO : 0;
}

const best = (asked, list) => list.reduce((most, known) => Math.max(most, likeness(asked, known)), 0);

const score = (asked, at) => Math.max(best(asked, at.name), KEYWORD * best(asked, at.keywords));

const pairs = (text) => new Set(Array.from({ length: Math.max(0, text.length - 1) }, (_, i) => text.slice(i, i + 2)));

function resemblance(asked, at) {
  const mine = pairs(asked);
  return Math.max(...[...at.name, ...at.keywords].map((known) => {
    const its = pairs(known);
    const shared = [...mine].filter((pair) => its.has(pair)).length;
    return (2 * shared) / (mine.size + its.size || 1);
  }));
}

// {found, near}: keys of the entries, best first; `near` only where nothing has all the words.
export function find(query, entries) {
  const all = words(query);
  const telling = all.filter((word) => !SKIPPED.has(word));
  const asked = (telling.length ? telling : all).map(stem);
  if (!asked.length) return { found: [], near: [] };
  const rank = (value, least) =>
    entries.map((at, i) => ({ at, i, value: value(at) })).filter(({ value }) => value >= least)
      .sort((a, b) => b.value - a.value || a.i - b.i).map(({ at }) => at.key);
  const whole = (of) => (at) => (asked.every((word) => of(word, at) > 0) ? asked.reduce((sum, word) => sum + of(word, at), 0) : 0);
  const named = rank(whole(score), 0.001);
  if (named.length) return { found: named, near: [] };
  const helped = rank(whole((word, at) => Math.max(score(word, at), best(word, at.help) >= PREFIX ? 0.2 : 0)), 0.001);
  if (helped.length) return { found: helped, near: [] };
  const some = rank((at) => asked.reduce((sum, word) => sum + score(word, at), 0), 0.5);
  const like = some.length ? some : rank((at) => Math.max(...asked.map((word) => resemblance(word, at))), NEAR_ENOUGH);
  return { found: [], near: like.slice(0, 6) };
}
