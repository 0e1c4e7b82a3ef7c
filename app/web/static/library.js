// The library page: lists films, uploads one, follows each running film to its end.
// Talks to the public REST interface only. Text from outside enters the page as text, never as HTML.

const byId = (id) => document.getElementById(id);
const list = byId("list");
const watchers = new Map();
let nextCursor = null;

const STATUS_WORDS = {
  queued: "Waiting for its turn",
  running: "Being watched",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

function make(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function clock(seconds) {
  if (seconds === null) return "";
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part, i) => (i ? String(part).padStart(2, "0") : part)).join(":");
}

async function call(path, options) {
  const answer = await fetch(path, options);
  if (answer.status === 204) return null;
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail || body.title);
  return body;
}

function say(text, className) {
  const message = byId("message");
  message.textContent = text;
  message.className = className || "";
}

function button(text, label, action) {
  const element = make("button", text, "plain");
  element.type = "button";
  element.setAttribute("aria-label", label);
  element.addEventListener("click", async () => {
    try {
      await action();
    } catch (error) {
      say(error.message, "bad");
    }
  });
  return element;
}

function actionsFor(film, item) {
  const path = `/v1/films/${encodeURIComponent(film.id)}`;
  const actions = make("p", undefined, "actions");
  if (film.status === "queued" || film.status === "running") {
    actions.append(button("Stop", `Stop ${film.title}`, async () => {
      show(await call(`${path}/cancel`, { method: "POST" }), item);
    }));
  } else {
    actions.append(button("Look again", `Analyse ${film.title} again`, async () => {
      show(await call(`${path}/retag`, { method: "POST" }), item);
    }));
  }
  actions.append(button("Delete", `Delete ${film.title}`, async () => {
    if (!confirm(`Delete “${film.title}” and all that was found in it?`)) return;
    await call(path, { method: "DELETE" });
    unwatch(film.id);
    item.remove();
    byId("empty").hidden = list.children.length > 0;
    byId("films").focus();
  }));
  return actions;
}

async function showTags(film, place) {
  const page = await call(`/v1/films/${encodeURIComponent(film.id)}/tags`);
  place.replaceChildren(...page.items.map((tag) =>
    make("li", `${tag.tag} ${Math.round(tag.score * 100)} %`)));
  if (!page.items.length && film.status === "done") {
    place.replaceChildren(make("li", "No tag reached its threshold"));
  }
}

function show(film, known) {
  const item = known || make("li");
  const state = make("p", STATUS_WORDS[film.status] || film.status);
  if (film.status === "failed") state.className = "bad";
  if (film.status === "done") state.className = "good";
  const facts = [clock(film.duration_s), film.filename, film.model_version].filter(Boolean);
  const tags = make("ul", undefined, "tags");
  tags.setAttribute("aria-label", `Tags of ${film.title}`);
  item.replaceChildren(make("h3", film.title), make("p", facts.join(" · "), "quiet"), state);
  if (film.error) item.append(make("p", film.error.detail, "bad"));
  for (const warning of film.warnings) item.append(make("p", warning, "quiet"));
  if (film.status === "queued" || film.status === "running") {
    const bar = make("progress");
    bar.max = 1;
    bar.value = film.progress;
    bar.setAttribute("aria-label", `Progress of ${film.title}`);
    item.append(bar);
    watch(film, item, bar, state);
  }
  item.append(tags, actionsFor(film, item));
  if (film.model_version !== null) showTags(film, tags).catch((error) => say(error.message, "bad"));
  return item;
}

function unwatch(id) {
  watchers.get(id)?.close();
  watchers.delete(id);
}

function watch(film, item, bar, state) {
  unwatch(film.id);
  const path = `/v1/films/${encodeURIComponent(film.id)}`;
  const source = new EventSource(`${path}/events`);
  watchers.set(film.id, source);
  source.addEventListener("progress", (event) => {
    const now = JSON.parse(event.data);
    bar.value = now.progress;
    const percent = now.status === "running" ? `: ${now.stage}, ${Math.round(now.progress * 100)} %` : "";
    state.textContent = (STATUS_WORDS[now.status] || now.status) + percent;
  });
  source.addEventListener("end", async (event) => {
    unwatch(film.id);
    if (JSON.parse(event.data).status === "deleted") item.remove();
    else show(await call(path), item);
  });
}

async function load() {
  const query = new URLSearchParams({ limit: "30" });
  if (nextCursor) query.set("cursor", nextCursor);
  try {
    const page = await call(`/v1/films?${query}`);
    list.append(...page.items.map((film) => show(film)));
    nextCursor = page.next_cursor;
    byId("more").hidden = nextCursor === null;
    byId("empty").hidden = list.children.length > 0;
  } catch (error) {
    say(error.message, "bad");
  }
}

function send(event) {
  event.preventDefault();
  const file = byId("file").files[0];
  if (!file) return;
  const query = new URLSearchParams({ filename: file.name });
  if (byId("title").value.trim()) query.set("title", byId("title").value.trim());
  if (byId("sampling").value) query.set("sampling", byId("sampling").value);
  const request = new XMLHttpRequest();  // fetch cannot tell how much of a body was sent
  request.open("POST", `/v1/films?${query}`);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.upload.addEventListener("progress", (sent) => {
    const share = sent.total ? sent.loaded / sent.total : 0;
    byId("sent").value = share;
    byId("sent-text").textContent = `${Math.round(share * 100)} %`;
  });
  const ended = (text, className) => {
    byId("sending").hidden = true;
    byId("stop").hidden = true;
    say(text, className);
  };
  request.addEventListener("load", async () => {
    let body = {};
    try { body = JSON.parse(request.responseText); } catch { /* a proxy's page, say */ }
    if (request.status === 202) {
      ended("The film is here and will be watched.", "good");
      list.prepend(show(await call(`/v1/films/${encodeURIComponent(body.id)}`)));
      byId("empty").hidden = true;
      byId("upload").reset();
    } else if (request.status === 200) {
      ended("This film is in the library already.");
    } else {
      ended(body.detail || `The server answered ${request.status}.`, "bad");
    }
  });
  request.addEventListener("error", () => ended("The connection broke; please try again.", "bad"));
  request.addEventListener("abort", () => ended("The upload was stopped."));
  byId("stop").onclick = () => request.abort();
  byId("stop").hidden = false;
  byId("sending").hidden = false;
  byId("sent").value = 0;
  say("");
  request.send(file);
}

byId("upload").addEventListener("submit", send);
byId("more").addEventListener("click", load);
load();
