// The head of the film page: title, facts, what can be done, and where the analysis stands.

import { call, filmPath, send } from "./api.js";
import { byId, make } from "./dom.js";
import { isUnfinished, stateText } from "./card.js";
import { explain, t } from "./words.js";

const EXPORT = "/v1/films/{film_id}/export";

let events = null;

// Draws title, facts and buttons; `tell` has `complain(error)` and `show(film)`.
export function drawHead(film, facts, offered, tell) {
  const actions = make("div", { class: "actions" });
  if (film.model_version !== null && offered) actions.append(exportMenu(film, offered));
  if (!isUnfinished(film)) actions.append(button("lookAgain", film, "retag", tell));
  actions.append(make("button", { type: "button", class: "plain", on: { click: () => askToDelete(film, tell) } }, t("deleteFilm")));
  byId("film-head").replaceChildren(
    make("div", {}, make("h1", { id: "film-title" }, film.title),
      make("ul", { class: "facts quiet", aria: { label: t("facts") } }, ...facts.map((fact) => make("li", {}, fact)))),
    actions);
}

function button(word, film, verb, tell) {
  return make("button", { type: "button", class: "plain", on: { click: async () => {
    try {
      tell.show(await send("POST", `${filmPath(film.id)}/${verb}`));
      byId("content").focus();
    } catch (error) {
      tell.complain(error);
    }
  } } }, t(word));
}

function exportMenu(film, offered) {
  const links = offered.choices("get", EXPORT, "format").map((format) => make("li", {}, make("a", {
    href: `${filmPath(film.id)}/export?format=${encodeURIComponent(format)}`, download: "",
  }, format.toUpperCase())));
  const menu = make("details", { class: "menu" }, make("summary", { class: "button plain" }, t("exportAs")), make("ul", { class: "bare" }, ...links));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  menu.addEventListener("focusout", (event) => { if (!menu.contains(event.relatedTarget)) menu.open = false; });
  return menu;
}

function askToDelete(film, tell) {
  const dialog = byId("sure");
  byId("sure-text").textContent = t("deleteSure", { title: film.title });
  dialog.returnValue = "keep";
  dialog.onclose = async () => {
    if (dialog.returnValue !== "delete") return;
    try {
      await call(filmPath(film.id), { method: "DELETE" });
      events?.close();
      location.assign("/");
    } catch (error) {
      tell.complain(error);
    }
  };
  dialog.showModal();
}

// Draws where the analysis stands and, where it is not done, what a person can do about it.
export function drawState(film, tell) {
  const parts = [];
  if (isUnfinished(film)) {
    const bar = make("progress", { max: 1, value: film.progress, aria: { label: t("progressOf", { title: film.title }) } });
    parts.push(make("div", { class: "notice" },
      make("p", { class: `state ${film.status}`, id: "state-text" }, stateText(film)), bar,
      make("p", { class: "quiet small" }, t(`${film.status}Hint`)), button("stop", film, "cancel", tell)));
  } else if (film.status === "failed") {
    parts.push(make("div", { class: "notice" },
      make("p", { class: "state failed" }, t("failed")),
      make("p", {}, explain(film.error)),
      make("p", {}, t("failedHint")),
      make("ul", {}, make("li", {}, t("doTryAgain")), make("li", {}, t("doConvert"))),
      make("p", { class: "quiet small" }, film.error.detail), button("tryAgain", film, "retag", tell)));
  } else if (film.status === "cancelled") {
    parts.push(make("div", { class: "notice" }, make("p", { class: "state cancelled" }, t("cancelled")), make("p", {}, t("cancelledHint"))));
  }
  if (film.warnings.length) {
    parts.push(make("div", { class: "notice" }, make("p", {}, make("strong", {}, t("warnings"))),
      make("ul", {}, ...film.warnings.map((warning) => make("li", {}, warning)))));
  }
  byId("state").replaceChildren(...parts);
}

// Follows the analysis by the server's events and shows the film anew at its end.
export function follow(film, tell) {
  events?.close();
  const source = new EventSource(`${filmPath(film.id)}/events`);
  events = source;
  source.addEventListener("progress", (event) => {
    const now = { ...film, ...JSON.parse(event.data) };
    const bar = byId("state").querySelector("progress");
    if (!bar || !isUnfinished(now)) return;
    bar.value = now.progress;
    byId("state-text").textContent = stateText(now);
    byId("state-text").className = `state ${now.status}`;
  });
  source.addEventListener("end", async () => {
    source.close();
    try {
      await tell.show(await call(filmPath(film.id)));
    } catch (error) {
      tell.complain(error);
    }
  });
}
