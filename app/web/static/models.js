// The models page: what each model of this library is, how good, and which one is used.

import { call, offers, send } from "./api.js";
import { byId, make } from "./dom.js";
import { day, explain, installSwitch, language, percent, t, tagWord } from "./words.js";

const ACTIVATE = "/v1/models/{version}/activate";
const RETAG = "/v1/films/retag";
const SHARES = /^(hit_at_\d|macro_map|micro_map)/;

let models = [];
let canActivate = false;

function figures(model) {
  const rows = Object.entries(model.metrics).filter(([, value]) => value !== null).map(([name, value]) => {
    const known = t(`metric_${name}`);
    const shown = SHARES.test(name) ? percent(value) : value.toLocaleString(language());
    return make("tr", {}, make("th", { scope: "row" }, known === `metric_${name}` ? name : known), make("td", {}, shown));
  });
  return make("table", {},
    make("caption", {}, t("figuresOf", { version: model.version })),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, t("metric")), make("th", { scope: "col" }, t("value")))),
    make("tbody", {}, ...rows));
}

function facts(model) {
  const rows = [
    t("trainedOn", { date: day(model.created_at) }), t("tagsKnown", { count: model.tags.length }),
    t("pictureSize", { width: model.width_px, height: model.height_px }),
    `${t("base")}: ${model.base_id}`, `${t("licence")}: ${model.licence}`,
  ];
  return make("ul", { class: "facts" }, ...rows.map((row) => make("li", {}, row)));
}

function entry(model) {
  const head = make("div", { class: "panel-head" }, make("h2", {}, model.version));
  if (model.active) head.append(make("span", { class: "state done" }, t("active")));
  else if (canActivate) {
    head.append(make("button", {
      type: "button", aria: { label: `${t("activate")}: ${model.version}` },
      on: { click: () => activate(model) },
    }, t("activate")));
  }
  const tags = model.tags.map((tag) => make("li", { class: "chip" }, tagWord(tag)));
  return make("li", { class: "panel" }, head, facts(model), figures(model),
    make("details", {}, make("summary", {}, t("knownTags")), make("ul", { class: "bare chip-line" }, ...tags)));
}

async function activate(model) {
  try {
    await send("POST", ACTIVATE.replace("{version}", encodeURIComponent(model.version)));
    byId("said").textContent = `${t("isActive", { version: model.version })} ${t("activateHint")}`;
    await load();
  } catch (error) {
    complain(error);
  }
}

// Queues every film that shows tags of another model than the active one.
async function retagAll() {
  byId("retag-all").disabled = true;
  try {
    let count = 0;
    let cursor = null;
    do {
      const report = await send("POST", RETAG, { stale: true, cursor });
      count += report.queued;
      cursor = report.next_cursor;
    } while (cursor !== null);
    byId("said").textContent = count ? t("isQueued", { count }) : t("noneStale");
  } catch (error) {
    complain(error);
  }
  byId("retag-all").disabled = false;
}

function complain(error) {
  byId("problem").textContent = error ? explain(error) : "";
  byId("problem").hidden = !error;
}

function draw() {
  byId("list").replaceChildren(...models.map(entry));
  byId("empty").hidden = models.length > 0;
  byId("empty").textContent = t("noModels");
}

async function load() {
  try {
    const [page, offered] = await Promise.all([call("/v1/models"), offers()]);
    models = page.items;
    canActivate = offered.has("post", ACTIVATE);
    byId("retag").hidden = !offered.has("post", RETAG);
    complain(null);
    draw();
  } catch (error) {
    complain(error);
  }
}

byId("retag-all").addEventListener("click", retagAll);
installSwitch(draw);
load();
