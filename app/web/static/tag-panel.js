// The tags of a film with their scores, and a person's word on each: accept, reject, add, take back.

import { all, call, send } from "./api.js";
import { byId, icon, make } from "./dom.js";
import { language, percent, t, tagWord } from "./words.js";

const VERDICTS = "/v1/films/{film_id}/verdicts";
const MOST_VERDICTS = 1000;

export class TagPanel {
  // `jump(time_s)` moves the player; `tell` has `say`, `complain` and `changed`.
  constructor(path, jump, tell) {
    Object.assign(this, { path, jump, tell, verdicts: new Map(), canList: false, found: null });
    byId("add-tag").addEventListener("submit", (event) => {
      event.preventDefault();
      const slug = byId("new-tag").value;
      const tag = this.found?.vocabulary.find((one) => one.slug === slug);
      if (tag) this.judge(tag.name, slug, "accepted");
    });
  }

  // Learns what people said of the whole film, where this server tells.
  async loadVerdicts(offered) {
    this.canList = offered.has("get", VERDICTS);
    if (!this.canList) return;
    const verdicts = await all(`${this.path}/verdicts`, {}, MOST_VERDICTS);
    this.verdicts = new Map(verdicts.filter((one) => one.scope === "film").map((one) => [one.tag, one]));
    this.drawRejected();
  }

  draw(found) {
    this.found = found;
    const focused = document.activeElement?.closest?.("#tags [data-act]")?.dataset;
    const rows = found.tags.map((tag) => this.row(tag));
    byId("tags").replaceChildren(...(rows.length ? rows : [make("li", { class: "quiet" }, t("noTag"))]));
    if (focused) {
      const same = `[data-act="${focused.act}"][data-slug="${focused.slug}"]`;
      (byId("tags").querySelector(same) || byId("tags").querySelector("[data-act]") || byId("new-tag")).focus();
    }
    const shown = new Set(found.tags.map((tag) => tag.tag));
    const others = found.vocabulary.filter((tag) => !shown.has(tag.name));
    const choices = others.map((tag) => ({ slug: tag.slug, word: tagWord(tag.name) }));
    choices.sort((one, other) => one.word.localeCompare(other.word, language()));
    byId("new-tag").replaceChildren(make("option", { value: "" }, t("chooseTag")),
      ...choices.map((choice) => make("option", { value: choice.slug }, choice.word)));
    this.drawRejected();
  }

  row(tag) {
    const word = tagWord(tag.tag);
    const isHuman = tag.source === "human";
    const bar = make("meter", { min: 0, max: 1, value: tag.score, aria: { label: `${word}: ${percent(tag.score)}` } });
    const name = tag.first_s === null ? make("span", { class: "tag-name" }, word) : make("button", {
      type: "button", class: "link tag-name", title: t("goToFirst", { tag: word }), on: { click: () => this.jump(tag.first_s) },
    }, word);
    const facts = tag.first_s === null ? t("neverSeen") : t("tagFacts", {
      seconds: tag.coverage_s.toLocaleString(language(), { maximumFractionDigits: 1 }), count: tag.shot_count,
    });
    return make("li", { class: "tag-row", dataset: { tag: tag.slug } },
      make("div", { class: "tag-line" }, name,
        make("span", { class: "quiet small" }, isHuman ? `${t("accepted")} · ${facts}` : facts),
        make("span", { class: "score" }, percent(tag.score))), bar,
      make("span", { class: "verdicts" },
        this.verdicts.get(tag.tag)?.id ? this.button("undo", "takeBackOf", tag, () => this.takeBack(tag.tag)) : null,
        isHuman ? null : this.button("check", "accept", tag, () => this.judge(tag.tag, tag.slug, "accepted")),
        this.button("cross", "reject", tag, () => this.judge(tag.tag, tag.slug, "rejected"))));
  }

  button(shape, label, tag, action) {
    const said = t(label, { tag: tagWord(tag.tag) });
    return make("button", {
      type: "button", class: `round ${shape}`, title: said, aria: { label: said },
      dataset: { act: shape, slug: tag.slug }, on: { click: action },
    }, icon(shape));
  }

  drawRejected() {
    const said = [...this.verdicts.values()];
    const names = said.filter((one) => one.verdict === "rejected").map((one) => one.tag);
    if (!names.length || !this.found) {
      byId("rejected").replaceChildren();
      return;
    }
    const rows = names.map((name) => {
      const slug = this.found.vocabulary.find((tag) => tag.name === name)?.slug ?? name;
      const tag = { tag: name, slug };
      return make("li", { class: "chip rejected" }, make("s", {}, tagWord(name)), this.verdicts.get(name).id
        ? this.button("undo", "takeBackOf", tag, () => this.takeBack(name))
        : this.button("check", "accept", tag, () => this.judge(name, slug, "accepted")));
    });
    byId("rejected").replaceChildren(make("h3", {}, t("rejectedTags")), make("ul", { class: "bare chip-line" }, ...rows));
  }

  judge(name, slug, verdict) {
    const said = t(verdict === "accepted" ? "isAccepted" : "isRejected", { tag: tagWord(name) });
    return this.change(said, async () => {
      await send("PUT", `${this.path}/tags/${slug}`, { verdict });
      this.verdicts.set(name, { tag: name, verdict });
    });
  }

  takeBack(name) {
    return this.change(t("isTakenBack", { tag: tagWord(name) }), async () => {
      await call(`${this.path}/verdicts/${this.verdicts.get(name).id}`, { method: "DELETE" });
      this.verdicts.delete(name);
    });
  }

  async change(said, act) {
    try {
      await act();
      await this.loadVerdicts(this.found.offered);
      this.tell.say(said);
      this.tell.changed();
    } catch (error) {
      this.tell.complain(error);
    }
  }
}
