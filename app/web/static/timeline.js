// The timeline: a strip of shots, one lane per tag, a playhead over all. Mouse, touch and keyboard.
// Knows times and pictures; what moves when somebody jumps is told by `jump`.

import { clock, make } from "./dom.js";
import { percent, t, tagWord } from "./words.js";

const MOST_PICTURES = 36; // on the strip: more would be too narrow to see
const TICKS = 6;

export class Timeline {
  constructor(place, jump) {
    Object.assign(this, { place, jump, duration_s: 1, time_s: 0, frames: [], shots: [], current: null });
    this.head = make("div", { class: "playhead", aria: { hidden: "true" } }, make("span"));
    this.preview = make("div", { class: "preview", hidden: true, aria: { hidden: "true" } },
      make("img", { alt: "", width: 192, height: 108 }), make("p"));
    place.addEventListener("pointermove", (event) => this.hover(event));
    place.addEventListener("pointerleave", () => { this.preview.hidden = true; });
    place.addEventListener("focusout", () => { this.preview.hidden = true; });
  }

  draw({ film, tags, segments, frames }) {
    this.duration_s = film.duration_s || Math.max(1, ...frames.map((frame) => frame.shot.end_s));
    this.frames = frames;
    this.shots = shotsOf(frames);
    const focused = this.place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const lanes = tags.map((tag) => this.lane(tag, segments.filter((one) => one.tag === tag.tag)));
    const overlay = make("div", { class: "overlay" }, this.head);
    this.place.replaceChildren(this.strip(), make("ul", { class: "bare lanes" }, ...lanes), this.axis(), overlay, this.preview);
    const buttons = [...this.place.querySelectorAll(".segment")];
    const again = buttons.find((button) => button.dataset.key === focused);
    this.takeTurn(again || buttons[0]);
    if (again) again.focus();
    else if (focused === "shots") this.slider.focus();
    this.setTime(this.time_s);
  }

  share(time_s) {
    return `${(100 * Math.min(1, Math.max(0, time_s / this.duration_s))).toFixed(3)}%`;
  }

  setTime(time_s) {
    this.time_s = time_s;
    this.head.style.left = this.share(time_s);
    if (!this.slider || !this.shots.length) return;
    const number = this.shotAt(time_s);
    const shot = this.shots[number];
    this.slider.setAttribute("aria-valuenow", String(number + 1));
    this.slider.setAttribute("aria-valuetext", t("shotValue", {
      number: number + 1, count: this.shots.length, start: clock(shot.start_s), end: clock(shot.end_s), tags: wordsOf(shot.frame),
    }));
  }

  shotAt(time_s) {
    const after = this.shots.findIndex((shot) => shot.start_s > time_s + 1e-3);
    return Math.max(0, (after < 0 ? this.shots.length : after) - 1);
  }

  strip() {
    const step = Math.max(1, Math.ceil(this.shots.length / MOST_PICTURES));
    const chosen = this.shots.filter((_, number) => number % step === 0);
    const pictures = chosen.map((shot, place) => {
      const end_s = chosen[place + 1]?.start_s ?? this.duration_s;
      const picture = make("img", { src: shot.frame.image_url, alt: "", loading: "lazy", draggable: false });
      picture.style.left = this.share(shot.start_s);
      picture.style.width = this.share(end_s - shot.start_s);
      return picture;
    });
    this.slider = make("div", {
      class: "track strip", role: "slider", tabIndex: 0, dataset: { key: "shots" },
      aria: { label: t("shots"), valuemin: "1", valuemax: String(Math.max(1, this.shots.length)), valuenow: "1" },
      on: { click: (event) => this.jump(this.timeAt(event)), keydown: (event) => this.stepShot(event), focus: () => this.peek(this.time_s) },
    }, ...pictures);
    return make("div", { class: "lane" }, make("span", { class: "lane-name" }, t("shots"), make("span", { class: "quiet" }, String(this.shots.length))), this.slider);
  }

  stepShot(event) {
    const now = this.shotAt(this.time_s);
    const last = this.shots.length - 1;
    const wanted = { ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, PageUp: now + 10, PageDown: now - 10, Home: 0, End: last }[event.key];
    if (wanted !== undefined) {
      event.preventDefault();
      const shot = this.shots[Math.min(last, Math.max(0, wanted))];
      this.jump(shot.start_s, { play: false });
      this.peek(shot.start_s);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.jump(this.time_s);
    }
  }

  lane(tag, segments) {
    const word = tagWord(tag.tag);
    const track = make("div", { class: "track", on: { click: (event) => {
      if (event.target === track) this.jump(this.timeAt(event));
    } } }, ...segments.map((segment) => this.segment(segment, word)));
    if (!segments.length) track.append(make("span", { class: "quiet small none" }, t("noSegment")));
    track.addEventListener("keydown", (event) => this.move(event));
    return make("li", { class: "lane", aria: { label: t("laneOf", { tag: word }) } },
      make("span", { class: "lane-name" }, word, make("span", { class: "quiet" }, percent(tag.score))), track);
  }

  segment(segment, word) {
    const label = t("segmentLabel", { tag: word, start: clock(segment.start_s), end: clock(segment.end_s), score: percent(segment.score) });
    const button = make("button", {
      type: "button", class: "segment", tabIndex: -1, aria: { label },
      dataset: { key: `${segment.tag} ${segment.start_s}`, start: segment.start_s },
      on: {
        click: () => { this.takeTurn(button); this.jump(segment.start_s); },
        focus: () => { this.takeTurn(button); this.peek(segment.start_s, label); },
      },
    });
    button.style.left = this.share(segment.start_s);
    button.style.width = this.share(segment.end_s - segment.start_s);
    button.style.setProperty("--sure", String(0.35 + 0.65 * segment.score));
    return button;
  }

  // Only one segment is reached by Tab; the arrows lead to the others.
  takeTurn(button) {
    if (this.current) this.current.tabIndex = -1;
    this.current = button || null;
    if (button) button.tabIndex = 0;
  }

  move(event) {
    if (!event.target.classList.contains("segment")) return;
    const lanes = [...this.place.querySelectorAll(".lanes .track")].map((track) => [...track.querySelectorAll(".segment")]).filter((lane) => lane.length);
    const row = lanes.findIndex((lane) => lane.includes(event.target));
    const column = lanes[row].indexOf(event.target);
    const nearest = (lane) => lane && lane.reduce((best, one) => (distance(one, event.target) < distance(best, event.target) ? one : best));
    const wanted = {
      ArrowRight: () => lanes[row][column + 1], ArrowLeft: () => lanes[row][column - 1],
      ArrowDown: () => nearest(lanes[row + 1]), ArrowUp: () => nearest(lanes[row - 1]),
      Home: () => lanes[row][0], End: () => lanes[row].at(-1),
    }[event.key];
    if (!wanted) return;
    event.preventDefault();
    wanted()?.focus();
  }

  axis() {
    const marks = Array.from({ length: TICKS + 1 }, (_, number) => {
      const mark = make("span", {}, clock((this.duration_s * number) / TICKS));
      mark.style.left = `${(100 * number) / TICKS}%`;
      return mark;
    });
    return make("div", { class: "lane axis", aria: { hidden: "true" } }, make("span", { class: "lane-name" }), make("div", { class: "track" }, ...marks));
  }

  timeAt(event) {
    const box = this.slider.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * this.duration_s;
  }

  hover(event) {
    if (!event.target.closest(".track") || event.pointerType === "touch") {
      this.preview.hidden = true;
      return;
    }
    const segment = event.target.closest(".segment");
    this.peek(this.timeAt(event), segment?.getAttribute("aria-label"));
  }

  // Shows the picture of a moment above it, with what is there.
  peek(time_s, label) {
    if (!this.shots.length) return;
    const shot = this.shots[this.shotAt(time_s)];
    const frame = this.frames.reduce((best, one) => (Math.abs(one.time_s - time_s) < Math.abs(best.time_s - time_s) && one.shot.start_s === shot.start_s ? one : best), shot.frame);
    const [picture, text] = this.preview.children;
    if (picture.getAttribute("src") !== frame.image_url) picture.src = frame.image_url;
    text.textContent = label || `${clock(time_s)} · ${wordsOf(frame)}`;
    this.preview.hidden = false;
    const box = this.slider.getBoundingClientRect();
    const around = this.place.getBoundingClientRect();
    const middle = box.left - around.left + (box.width * time_s) / this.duration_s;
    const half = this.preview.offsetWidth / 2;
    this.preview.style.left = `${Math.min(around.width - half, Math.max(half, middle))}px`;
  }
}

const distance = (one, other) => Math.abs(Number(one.dataset.start) - Number(other.dataset.start));

const wordsOf = (frame) => frame.tags.map((tag) => `${tagWord(tag.tag)} ${percent(tag.score)}`).join(", ");

// The shots in time order, each with its first key frame.
function shotsOf(frames) {
  const shots = new Map();
  for (const frame of frames) {
    if (!shots.has(frame.shot.start_s)) shots.set(frame.shot.start_s, { ...frame.shot, frame });
  }
  return [...shots.values()].sort((one, other) => one.start_s - other.start_s);
}
