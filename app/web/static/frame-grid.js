// The key frames of a film as a grid, all or those with one tag; and why the model said what it said.

import { call, query } from "./api.js";
import { byId, clock, make } from "./dom.js";
import { percent, t, tagWord } from "./words.js";

const PER_PAGE = 24;
const EXPLANATION = "/v1/films/{film_id}/frames/{n}/explanation";

export class FrameGrid {
  // `jump(time_s)` moves the player; `tell` has `complain`.
  constructor(path, jump, tell) {
    Object.assign(this, { path, jump, tell, shown: [], cursor: null, canExplain: false });
    byId("frame-tag").addEventListener("change", () => this.load());
    byId("more-frames").addEventListener("click", () => this.load(true));
    byId("why-tag").addEventListener("change", () => this.explain());
    byId("why-picture").addEventListener("error", () => { byId("why-hint").textContent = t("whyFailed"); });
  }

  show(found) {
    this.canExplain = found.offered.has("get", EXPLANATION);
    return this.load();
  }

  // Offers the tags that this film has.
  drawChoices(found) {
    const select = byId("frame-tag");
    const chosen = select.value;
    const names = new Set([...found.tags.map((tag) => tag.tag), ...(chosen ? [chosen] : [])]);
    select.replaceChildren(make("option", { value: "" }, t("everyTag")),
      ...[...names].map((name) => make("option", { value: name }, tagWord(name))));
    select.value = chosen;
  }

  async load(more = false) {
    try {
      const tag = byId("frame-tag").value;
      const cursor = more ? this.cursor : null;
      const sort = tag ? "-score" : null; // one tag: its strongest frames first
      const page = await call(`${this.path}/frames${query({ tag, sort, limit: PER_PAGE, cursor })}`);
      const before = more ? this.shown.length : 0;
      this.shown = more ? [...this.shown, ...page.items] : page.items;
      this.cursor = page.next_cursor;
      this.draw();
      if (more) byId("frames").children[before]?.querySelector("button").focus();
    } catch (error) {
      this.tell.complain(error);
    }
  }

  redraw(found) {
    this.drawChoices(found);
    this.draw();
  }

  draw() {
    byId("frames").replaceChildren(...this.shown.map((frame) => this.cell(frame)));
    byId("no-frames").hidden = this.shown.length > 0;
    byId("more-frames").hidden = this.cursor === null;
  }

  cell(frame) {
    const time = clock(frame.time_s);
    const words = frame.tags.map((tag) => `${tagWord(tag.tag)} ${percent(tag.score)}`).join(", ");
    const picture = make("img", { src: frame.image_url, alt: "", loading: "lazy", width: 320, height: 180 });
    const go = make("button", {
      type: "button", class: "frame", aria: { label: t("playFrom", { time, tags: words }) },
      on: { click: () => this.jump(frame.time_s) },
    }, picture, make("span", { class: "length" }, time));
    const tags = make("ul", { class: "bare frame-tags" }, ...frame.tags.map((tag) => make("li", {},
      make("span", {}, tagWord(tag.tag)), make("span", { class: "score" }, percent(tag.score)))));
    const why = !this.canExplain || !frame.tags.length ? null : make("button", {
      type: "button", class: "plain small", aria: { label: t("whyLabel", { tag: tagWord(frame.tags[0].tag), time }) },
      on: { click: () => this.ask(frame) },
    }, t("why"));
    return make("li", {}, go, tags, why);
  }

  ask(frame) {
    this.asked = frame;
    byId("why-tag").replaceChildren(...frame.tags.map((tag) => make("option", { value: tag.tag }, tagWord(tag.tag))));
    byId("why-tag").value = byId("frame-tag").value || frame.tags[0].tag;
    this.explain();
    byId("why").showModal();
  }

  explain() {
    const tag = byId("why-tag").value;
    const word = tagWord(tag);
    byId("why-title").textContent = `${t("whyTitle", { tag: word })} ${clock(this.asked.time_s)}`;
    byId("why-hint").textContent = t("whyHint", { tag: word });
    byId("why-picture").alt = t("whyHint", { tag: word });
    byId("why-picture").src = `${this.path}/frames/${this.asked.n}/explanation${query({ tag })}`;
  }
}
