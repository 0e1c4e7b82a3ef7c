// Sends one film after the other and shows how far each is; a broken one can be sent again.
// Knows bytes and answers, not where on a page the list stands.

import { Problem, call, filmPath, offers, query } from "./api.js";
import { byId, make, size } from "./dom.js";
import { sendResumable } from "./resumable.js";
import { explain, language, t } from "./words.js";

const waiting = [];
let busy = false;

// Sends `file` at one go, for a server that cannot do more. The returned object can stop it.
function sendWhole(file, sampling, onProgress) {
  const request = new XMLHttpRequest(); // fetch cannot tell how much of a body was sent
  const done = new Promise((resolve, reject) => {
    request.open("POST", `/v1/films${query({ filename: file.name, sampling })}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (sent) => {
      onProgress(sent.total ? sent.loaded / sent.total : 0);
    });
    request.addEventListener("load", () => {
      let body = {};
      try { body = JSON.parse(request.responseText); } catch { /* a proxy's page, say */ }
      if (request.status === 200 || request.status === 202) {
        resolve({ id: body.id, isNew: request.status === 202 });
      } else reject(new Problem(body.code || "unknown", body.detail || "", request.status));
    });
    request.addEventListener("error", () => reject(new Problem("offline", "", 0)));
    request.addEventListener("abort", () => reject(new Problem("stopped", "", 0)));
    request.send(file);
  });
  return { done, stop: () => request.abort(), forget: () => {} };
}

class Sending {
  constructor(file, sampling, onArrival) {
    Object.assign(this, { file, sampling, onArrival });
    this.bar = make("progress", { max: 1, value: 0, aria: { label: t("sendingOf", { name: file.name }) } });
    this.state = make("span", { class: "quiet" }, t("waitsToBeSent"));
    this.actions = make("span", { class: "actions" });
    this.row = make("li", { class: "sending" },
      make("strong", {}, file.name), make("span", { class: "quiet" }, size(file.size, language())),
      this.bar, this.state, this.actions);
  }

  offer(...buttons) {
    const hadFocus = this.actions.contains(document.activeElement);
    this.actions.replaceChildren(...buttons.map(([label, action]) => make("button", {
      type: "button", class: "plain small", on: { click: action },
      aria: { label: `${t(label)}: ${this.file.name}` },
    }, t(label))));
    if (hadFocus) this.actions.querySelector("button")?.focus();
  }

  async run() {
    this.row.classList.remove("bad");
    try {
      const isResumable = (await offers()).has("post", "/v1/uploads");
      this.sending = (isResumable ? sendResumable : sendWhole)(
        this.file, this.sampling, (share) => this.progress(share),
      );
      this.offer(["stop", this.sending.stop]);
      const { id, isNew } = await this.sending.done;
      const film = await call(filmPath(id));
      this.row.remove();
      say(t(isNew ? "filmTaken" : "filmKnown", { title: film.title }));
      this.onArrival(film, isNew);
    } catch (error) {
      this.failed(error);
    }
  }

  progress(share) {
    if (share === null) {
      this.state.textContent = t("reconnecting");
      return;
    }
    this.bar.value = share;
    this.state.textContent = share < 1 ? `${Math.round(share * 100)} %` : t("isStored");
  }

  failed(error) {
    this.bar.value = 0;
    this.row.classList.add("bad");
    this.state.textContent = error.code === "stopped" ? t("uploadStopped") : explain(error);
    say(`${this.file.name}: ${this.state.textContent}`);
    this.offer(
      ["sendAgain", () => { waiting.push(this); this.offer(); next(); }],
      ["forget", () => { this.sending?.forget(); this.row.remove(); byId("files").focus(); }],
    );
  }
}

function say(text) {
  byId("upload-said").textContent = text;
}

async function next() {
  if (busy) return;
  busy = true;
  while (waiting.length) await waiting.shift().run();
  busy = false;
}

function add(files, onArrival) {
  const sampling = byId("sampling").value;
  for (const file of files) {
    const sending = new Sending(file, sampling, onArrival);
    byId("sendings").append(sending.row);
    waiting.push(sending);
  }
  next();
}

// Makes the drop panel and its file chooser work; `onArrival(film, isNew)` is called for each film.
export function install(onArrival) {
  const panel = byId("drop");
  byId("files").addEventListener("change", (event) => {
    add(event.target.files, onArrival);
    event.target.value = ""; // so that the same file can be chosen again
  });
  let inside = 0; // enter and leave also come for every element within
  const turn = (change) => {
    inside = Math.max(0, inside + change);
    panel.classList.toggle("is-over", inside > 0);
  };
  document.addEventListener("dragenter", (event) => { if (carriesFiles(event)) turn(1); });
  document.addEventListener("dragleave", (event) => { if (carriesFiles(event)) turn(-1); });
  document.addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    turn(-inside);
    add(event.dataTransfer.files, onArrival);
  });
  addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });
}

function carriesFiles(event) {
  return event.dataTransfer && [...event.dataTransfer.types].includes("Files");
}
