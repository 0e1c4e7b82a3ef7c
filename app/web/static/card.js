// One film as a card of the library: poster, title, state, first tags. Fetches what it shows.

import { call, filmPath, query, send } from "./api.js";
import { clock, make } from "./dom.js";
import { explain, percent, t, tagWord } from "./words.js";

const TAGS_SHOWN = 4;

export const isUnfinished = (film) => film.status === "queued" || film.status === "running";

// Builds the card of `film`; `onChange(film)` is called when a button here changed it.
export function card(film, onChange) {
  const picture = make("img", { class: "poster", alt: "", width: 320, height: 180, loading: "lazy" });
  picture.hidden = true;
  const length = film.duration_s === null ? null : make("span", { class: "length" }, clock(film.duration_s));
  const tags = make("ul", { class: "bare chip-line", aria: { label: t("tagsOf", { title: film.title }) } });
  const item = make("li", { class: "card", dataset: { id: film.id } },
    make("div", { class: "frame" }, picture, length),
    make("div", { class: "card-text" },
      make("h2", {}, make("a", { href: `/films/${encodeURIComponent(film.id)}` }, film.title)),
      ...stateOf(film, onChange), tags));
  if (film.model_version !== null) {
    fill(film, picture, tags).catch(() => { /* the card stands without a picture */ });
  }
  return item;
}

function stateOf(film, onChange) {
  if (film.status === "done") return [];
  const word = make("p", { class: `state ${film.status}` }, stateText(film));
  if (isUnfinished(film)) {
    const bar = make("progress", { max: 1, value: film.progress, aria: { label: t("progressOf", { title: film.title }) } });
    return [word, bar, action("stop", "stopFilm", film, "cancel", onChange)];
  }
  const parts = [word];
  if (film.error) parts.push(make("p", { class: "small" }, explain(film.error)));
  parts.push(action("tryAgain", "tryFilmAgain", film, "retag", onChange));
  return parts;
}

export function stateText(film) {
  if (film.status !== "running") return t(film.status);
  return `${t("running")}: ${t(`stage_${film.stage}`)}, ${percent(film.progress)}`;
}

function action(word, label, film, verb, onChange) {
  const button = make("button", { type: "button", class: "plain small", aria: { label: t(label, { title: film.title }) } }, t(word));
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      onChange(await send("POST", `${filmPath(film.id)}/${verb}`));
    } catch (error) {
      button.disabled = false;
      button.after(make("span", { class: "bad small", role: "alert" }, explain(error)));
    }
  });
  return make("p", { class: "actions" }, button);
}

// Shows the first tags, and as poster a key frame that has the very first of them.
async function fill(film, picture, place) {
  const tags = (await call(`${filmPath(film.id)}/tags${query({ limit: TAGS_SHOWN })}`)).items;
  place.replaceChildren(...tags.map((tag) => make("li", { class: "chip", title: percent(tag.score) },
    tagWord(tag.tag), make("span", { class: "score" }, percent(tag.score)))));
  if (!tags.length && film.status === "done") place.replaceWith(make("p", { class: "quiet small" }, t("noTag")));
  const seen = tags.find((tag) => tag.first_s !== null);
  for (const tag of seen ? [seen.tag, ""] : [""]) {
    const frames = (await call(`${filmPath(film.id)}/frames${query({ tag, limit: 1 })}`)).items;
    if (!frames.length) continue;
    picture.src = frames[0].image_url;
    picture.hidden = false;
    return;
  }
}
