// Which language the page speaks, and its words in it. Knows no page.

import en from "./words-en.js";
import es from "./words-es.js";

const CATALOGUES = { en, es };
const KEPT_AS = "reeltag-language";

let spoken = choose();

function choose() {
  let kept = null;
  try { kept = localStorage.getItem(KEPT_AS); } catch { /* storage is forbidden: ask the browser */ }
  const wishes = [kept, ...(navigator.languages || [])].filter(Boolean);
  return wishes.map((wish) => wish.slice(0, 2)).find((wish) => wish in CATALOGUES) || "en";
}

export const language = () => spoken;

// The text named `key`, with `{name}` filled in from `given`.
export function t(key, given = {}) {
  const { words } = CATALOGUES[spoken];
  const text = (given.count === 1 && words[`${key}_one`]) || (words[key] ?? en.words[key] ?? key);
  return text.replace(/\{(\w+)\}/g, (whole, name) => given[name] ?? whole);
}

// A tag as people of this language call it; what is stored and sent stays the vocabulary's name.
export const tagWord = (name) => CATALOGUES[spoken].tags[name] ?? name;

// A day as people of this language, and where the browser says so of this country, write it.
export function day(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return text;
  const local = (navigator.languages || []).find((wish) => wish.startsWith(spoken)) || spoken;
  return moment.toLocaleDateString(local, { dateStyle: "medium" });
}

export const percent = (score) => `${Math.round(score * 100)} %`;

// What a person should read, and do, about an error of the interface.
export function explain(problem) {
  const known = CATALOGUES[spoken].problems[problem.code];
  if (!known) return problem.detail || problem.message || t("serverAnswered", { status: problem.status });
  return known;
}

// Puts the words into all elements below `place` that name them.
export function translate(place = document) {
  for (const element of place.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of place.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  }
  for (const element of place.querySelectorAll("[data-t-hint]")) {
    element.setAttribute("placeholder", t(element.dataset.tHint));
  }
  document.documentElement.lang = spoken;
}

// Makes the switch work; `redraw` is called for everything that a script has written.
export function installSwitch(redraw) {
  const select = document.getElementById("language");
  select.value = spoken;
  select.addEventListener("change", () => {
    spoken = select.value;
    try { localStorage.setItem(KEPT_AS, spoken); } catch { /* then for this page only */ }
    translate();
    redraw();
  });
  translate();
}
