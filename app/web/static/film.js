// The film page: asks for the film and its findings and hands them to the parts of the page.

import { all, call, filmPath, offers, query } from "./api.js";
import { byId, clock, make, settled, size } from "./dom.js";
import { card } from "./card.js";
import { drawHead, drawState, follow } from "./film-head.js";
import { FrameGrid } from "./frame-grid.js";
import { TagPanel } from "./tag-panel.js";
import { Timeline } from "./timeline.js";
import { explain, installSwitch, language, percent, t } from "./words.js";

const MOST_FRAMES = 2000; // on the timeline; the grid pages through all of them
const SIMILAR = "/v1/films/{film_id}/similar";
const MOST_SIMILAR = 4;
const DEFAULTS = { topK: 3, threshold: 0, gap: 2 };

const id = decodeURIComponent(location.pathname.split("/").pop());
const path = filmPath(id);
const player = byId("player");
const found = { film: null, tags: [], segments: [], frames: [], vocabulary: [], offered: null, similar: [] };
let deriving = null;

export function complain(error) {
  byId("problem").textContent = error ? explain(error) : "";
  byId("problem").hidden = !error;
}

export function say(text) {
  byId("said").textContent = text;
}

// Plays from a moment; also where the player cannot, the timeline shows it.
function jump(time_s, { play = true } = {}) {
  timeline.setTime(time_s);
  if (player.error) return;
  player.currentTime = time_s;
  if (play) player.play().catch(() => { /* the browser wants a click on the player first */ });
}

const timeline = new Timeline(byId("timeline"), jump);
const tagPanel = new TagPanel(path, jump, { say, complain, changed: () => derive() });
const grid = new FrameGrid(path, jump, { complain });

function wishes() {
  return { top_k: Number(byId("top-k").value), min_score: Number(byId("threshold").value), max_gap_s: Number(byId("gap").value) };
}

function drawTuning() {
  const { top_k, min_score, max_gap_s } = wishes();
  byId("top-k-said").textContent = String(top_k);
  byId("threshold-said").textContent = percent(min_score);
  const gap = t("seconds", { count: max_gap_s.toLocaleString(language()) });
  byId("gap-said").textContent = gap;
  byId("threshold").setAttribute("aria-valuetext", percent(min_score));
  byId("gap").setAttribute("aria-valuetext", gap);
}

// Derives tags and segments anew with the sliders' values; no network of any kind is run for it.
async function derive() {
  deriving?.abort();
  deriving = new AbortController();
  const { signal } = deriving;
  const { top_k, min_score, max_gap_s } = wishes();
  try {
    const [tags, segments] = await Promise.all([
      call(`${path}/tags${query({ top_k, min_score })}`, { signal }),
      call(`${path}/segments${query({ top_k, min_score, max_gap_s })}`, { signal }),
    ]);
    found.tags = tags.items;
    found.segments = segments.items;
    complain(null);
    drawFound();
  } catch (error) {
    if (error.name !== "AbortError") complain(error);
  }
}

function drawFound() {
  tagPanel.draw(found);
  timeline.draw(found);
  grid.drawChoices(found);
}

async function loadFindings() {
  const [frames, vocabulary, offered] = await Promise.all([
    all(`${path}/frames`, {}, MOST_FRAMES), call("/v1/tags"), offers(),
  ]);
  Object.assign(found, { frames, vocabulary: vocabulary.items, offered });
  byId("found").hidden = false;
  await Promise.all([derive(), tagPanel.loadVerdicts(offered)]);
  await grid.show(found);
  await loadSimilar();
}

// Shows the films most like this one, where this server compares films.
async function loadSimilar() {
  if (!found.offered.has("get", SIMILAR)) return;
  const page = await call(`${path}/similar${query({ limit: MOST_SIMILAR })}`);
  found.similar = page.items.map((one) => one.film);
  drawSimilar();
}

function drawSimilar() {
  byId("similar").hidden = found.similar.length === 0;
  byId("similar-list").replaceChildren(...found.similar.map((film) => card(film, loadSimilar)));
}

function installPlayer() {
  byId("download").href = `${path}/source`;
  player.addEventListener("error", () => { byId("cannot-play").hidden = false; });
  for (const event of ["timeupdate", "seeking"]) {
    player.addEventListener(event, () => timeline.setTime(player.currentTime));
  }
  player.src = `${path}/source`;
}

async function show(film) {
  const isNews = found.film?.analysed_at !== film.analysed_at;
  found.film = film;
  document.title = `${film.title} · Reeltag`;
  drawHead(film, factsOf(film), found.offered, { complain, show });
  drawState(film, { complain, show });
  if (!player.src && film.width_px !== null) installPlayer();
  try {
    if (film.model_version !== null && isNews) await loadFindings();
    if (found.offered === null) found.offered = await offers();
    drawHead(film, factsOf(film), found.offered, { complain, show });
  } catch (error) {
    complain(error);
  }
  if (film.status === "queued" || film.status === "running") follow(film, { complain, show });
}

function factsOf(film) {
  const pixels = film.width_px === null ? "" : `${film.width_px} × ${film.height_px}`;
  return [
    clock(film.duration_s), pixels, size(film.size_bytes, language()), film.filename,
    film.model_version === null ? "" : `${t("model")} ${film.model_version}`, film.sampling,
  ].filter(Boolean);
}

function redraw() {
  drawTuning();
  if (found.film === null) return;
  drawHead(found.film, factsOf(found.film), found.offered, { complain, show });
  drawState(found.film, { complain, show });
  if (byId("found").hidden) return;
  drawFound();
  grid.redraw(found);
  drawSimilar();
}

async function start() {
  installSwitch(redraw);
  drawTuning();
  const deriveSoon = settled(derive, 120);
  byId("tuning").addEventListener("input", () => {
    drawTuning();
    deriveSoon();
  });
  byId("tuning").addEventListener("reset", (event) => {
    event.preventDefault();
    byId("top-k").value = DEFAULTS.topK;
    byId("threshold").value = DEFAULTS.threshold;
    byId("gap").value = DEFAULTS.gap;
    drawTuning();
    derive();
  });
  try {
    await show(await call(path));
  } catch (error) {
    byId("film-title").textContent = error.status === 404 ? t("noSuchFilm") : t("films");
    complain(error);
    if (error.status === 404) byId("state").replaceChildren(make("p", {}, make("a", { href: "/" }, t("backToFilms"))));
  }
}

start();
