// The library page: finds films, shows them as cards, follows the unfinished ones to their end.
// What is asked for stands in the address, so that Back and bookmarks lead to the same films.

import { call, filmPath, query } from "./api.js";
import { card, isUnfinished, stateText } from "./card.js";
import { byId, make, settled } from "./dom.js";
import { install as installUpload } from "./upload.js";
import { explain, installSwitch, t, tagWord } from "./words.js";

const PER_PAGE = 24;
const CHIPS_AT_FIRST = 12;
const LOOK_AGAIN_MS = 1500;

const list = byId("list");
const films = new Map();
const address = new URLSearchParams(location.search);
const wish = {
  q: address.get("q") || "", status: address.get("status") || "",
  sort: address.get("sort") || "-created_at", tag: address.getAll("tag"),
  min_coverage_s: address.get("min_coverage_s") || "",
};
let vocabulary = [];
let showsAllChips = false;
let nextCursor = null;
let asked = 0;

const isFiltered = () => Boolean(wish.q || wish.status || wish.tag.length || wish.min_coverage_s);

function complain(error) {
  byId("problem").textContent = error ? explain(error) : "";
  byId("problem").hidden = !error;
}

function put(film) {
  const old = list.querySelector(`[data-id="${CSS.escape(film.id)}"]`);
  const hadFocus = old?.contains(document.activeElement);
  const fresh = card(film, put);
  films.set(film.id, film);
  if (old) old.replaceWith(fresh);
  else list.append(fresh);
  if (hadFocus) fresh.querySelector("a").focus();
}

function summarise() {
  const nothing = list.children.length === 0;
  const count = list.children.length;
  byId("found").textContent = nothing ? "" : t(nextCursor === null ? "foundFilms" : "foundMore", { count });
  byId("more").hidden = nextCursor === null;
  byId("empty").hidden = !nothing;
  byId("empty").textContent = t(isFiltered() ? "nothingFound" : "emptyLibrary");
}

async function load(more = false) {
  asked += 1;
  const turn = asked;
  try {
    const page = await call(`/v1/films${query({ ...wish, limit: PER_PAGE, cursor: more ? nextCursor : null })}`);
    if (turn !== asked) return; // a newer question was asked meanwhile
    complain(null);
    const before = list.children.length;
    if (!more) {
      list.replaceChildren();
      films.clear();
    }
    page.items.forEach(put);
    nextCursor = page.next_cursor;
    summarise();
    if (more) list.children[before]?.querySelector("a").focus();
  } catch (error) {
    complain(error);
  }
}

function ask() {
  byId("sort").querySelector('[value="-score"]').disabled = wish.tag.length === 0;
  if (wish.sort === "-score" && !wish.tag.length) wish.sort = "-created_at";
  byId("sort").value = wish.sort;
  const shown = query({ ...wish, sort: wish.sort === "-created_at" ? "" : wish.sort });
  history.replaceState(null, "", shown || location.pathname);
  load();
  loadVocabulary();
}

function drawChips() {
  const focused = document.activeElement?.dataset?.tag;
  const chosen = new Set(wish.tag);
  const used = vocabulary.filter((tag) => tag.film_count > 0 || chosen.has(tag.slug));
  used.sort((one, other) => chosen.has(other.slug) - chosen.has(one.slug) || other.film_count - one.film_count);
  const shown = showsAllChips ? used : used.slice(0, CHIPS_AT_FIRST);
  const chips = shown.map((tag) => make("button", {
    type: "button", class: "chip", dataset: { tag: tag.slug },
    aria: {
      pressed: String(chosen.has(tag.slug)),
      label: t("filmsWithTag", { tag: tagWord(tag.name), count: tag.film_count }),
    },
    on: { click: () => toggle(tag.slug) },
  }, tagWord(tag.name), make("span", { class: "score" }, String(tag.film_count))));
  if (used.length > shown.length) {
    chips.push(make("button", { type: "button", class: "link", on: { click: () => {
      showsAllChips = true;
      drawChips();
      byId("tag-filters").children[CHIPS_AT_FIRST]?.focus();
    } } }, t("showAllTags")));
  }
  if (isFiltered()) {
    chips.push(make("button", { type: "button", class: "link", on: { click: clear } }, t("clearFilters")));
  }
  byId("tag-filters").replaceChildren(...chips);
  if (focused) byId("tag-filters").querySelector(`[data-tag="${focused}"]`)?.focus();
}

function toggle(slug) {
  wish.tag = wish.tag.includes(slug) ? wish.tag.filter((one) => one !== slug) : [...wish.tag, slug];
  drawChips();
  ask();
}

function clear() {
  Object.assign(wish, { q: "", status: "", tag: [], min_coverage_s: "" });
  for (const name of ["q", "status", "min_coverage_s"]) byId(name).value = "";
  drawChips();
  ask();
  byId("q").focus();
}

async function loadVocabulary() {
  try {
    const { sort, ...filters } = wish; // the numbers beside the tags follow what is asked for
    const turn = asked;
    const found = (await call(`/v1/tags${query(filters)}`)).items;
    if (turn !== asked) return;
    vocabulary = found;
    drawChips();
  } catch (error) {
    complain(error);
  }
}

// Looks at the unfinished films again and again: events would take a connection for each of them.
async function follow() {
  for (const film of [...films.values()].filter(isUnfinished)) {
    try {
      const now = await call(filmPath(film.id));
      if (!films.has(film.id)) continue;
      if (now.status !== film.status || !isUnfinished(now)) put(now);
      else if (now.progress !== film.progress || now.stage !== film.stage) refresh(now);
      if (!isUnfinished(now)) loadVocabulary();
    } catch (error) {
      if (error.code !== "film_not_found") continue; // the next turn tells
      films.delete(film.id);
      list.querySelector(`[data-id="${CSS.escape(film.id)}"]`)?.remove();
      summarise();
    }
  }
  setTimeout(follow, LOOK_AGAIN_MS);
}

// Moves the bar without building the card anew: a reader may be on its button.
function refresh(film) {
  const item = list.querySelector(`[data-id="${CSS.escape(film.id)}"]`);
  films.set(film.id, film);
  item.querySelector("progress").value = film.progress;
  item.querySelector(".state").textContent = stateText(film);
}

function redraw() {
  drawChips();
  for (const film of films.values()) put(film);
  summarise();
}

installSwitch(redraw);
installUpload((film, isNew) => {
  if (isNew && !isFiltered()) {
    put(film);
    list.prepend(list.querySelector(`[data-id="${CSS.escape(film.id)}"]`));
    summarise();
  } else load();
});
for (const name of ["q", "status", "sort", "min_coverage_s"]) byId(name).value = wish[name];
for (const name of ["q", "min_coverage_s"]) {
  byId(name).addEventListener("input", settled(() => {
    if (!byId(name).checkValidity()) return;
    wish[name] = byId(name).value.trim();
    drawChips();
    ask();
  }, 250));
}
for (const name of ["status", "sort"]) {
  byId(name).addEventListener("change", () => {
    wish[name] = byId(name).value;
    drawChips();
    ask();
  });
}
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("more").addEventListener("click", () => load(true));
ask();
follow();
