// Sends a file in parts by tus 1.0: what has arrived is never sent twice, not even after a reload.
// Knows the protocol and the browser's memory, nothing of the page.

import { Problem } from "./api.js";

const PLACE = "/v1/uploads";
const PART_BYTES = 16 * 2 ** 20;
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15000, 30000];
const GONE = new Set([404, 410]);
const HEALS = (status) => [0, 408, 409, 423, 429, 460].includes(status) || status >= 500;

const nameOf = (file, sampling) => `upload ${[file.name, file.size, file.lastModified, sampling].join(" ")}`;

const memory = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, place) { try { localStorage.setItem(name, place); } catch { /* private window */ } },
  drop(name) { try { localStorage.removeItem(name); } catch { /* as above */ } },
};

function encoded(words) {
  const one = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  return Object.entries(words).filter(([, word]) => word).map(([name, word]) => `${name} ${one(word)}`).join(",");
}

// Returns { done, stop, forget }; `onProgress` is told the share that has arrived, null: connection lost.
export function sendResumable(file, sampling, onProgress) {
  const remembered = nameOf(file, sampling);
  let request = null;
  let stopped = false;
  let wake = () => {};

  function ask(method, path, headers, body) {
    return new Promise((resolve, reject) => {
      if (stopped) { reject(new Problem("stopped", "", 0)); return; }
      request = new XMLHttpRequest(); // fetch cannot tell how much of a body was sent
      request.open(method, path);
      const start = Number(headers["Upload-Offset"] || 0);
      for (const [name, value] of Object.entries({ "Tus-Resumable": "1.0.0", ...headers })) {
        request.setRequestHeader(name, value);
      }
      if (body) {
        request.upload.addEventListener("progress", (sent) => onProgress((start + sent.loaded) / file.size));
      }
      request.addEventListener("error", () => reject(new Problem("offline", "", 0)));
      request.addEventListener("abort", () => reject(new Problem("stopped", "", 0)));
      request.addEventListener("load", () => {
        if (request.status < 300) { resolve(request); return; }
        let problem = {};
        try { problem = JSON.parse(request.responseText); } catch { /* a proxy's page, say */ }
        reject(new Problem(problem.code || "unknown", problem.detail || "", request.status));
      });
      request.send(body);
    });
  }

  const filmOf = (answer) => {
    const id = answer.getResponseHeader("Reeltag-Film");
    return id && { id, isNew: answer.getResponseHeader("Reeltag-Film-Created") === "true" };
  };

  async function create() {
    const answer = await ask("POST", PLACE, {
      "Upload-Length": file.size, "Upload-Metadata": encoded({ filename: file.name, sampling }),
    });
    memory.set(remembered, answer.getResponseHeader("Location"));
    return answer.getResponseHeader("Location");
  }

  async function sendRest(onMoved) {
    let place = memory.get(remembered);
    let answer = null;
    if (place) {
      try {
        answer = await ask("HEAD", place, {});
      } catch (error) {
        if (!GONE.has(error.status)) throw error;
        memory.drop(remembered);
      }
    }
    if (!answer) place = await create();
    let offset = answer ? Number(answer.getResponseHeader("Upload-Offset")) : 0;
    while (!(answer && filmOf(answer))) {
      onProgress(offset / file.size);
      answer = await ask("PATCH", place, {
        "Content-Type": "application/offset+octet-stream", "Upload-Offset": offset,
      }, file.slice(offset, offset + PART_BYTES));
      offset = Number(answer.getResponseHeader("Upload-Offset"));
      onMoved();
    }
    memory.drop(remembered);
    return filmOf(answer);
  }

  async function run() {
    let failures = 0;
    for (;;) {
      try {
        return await sendRest(() => { failures = 0; });
      } catch (error) {
        // A server that was never reached is told at once; an upload that began is worth patience.
        const isWorthIt = HEALS(error.status) && error.code !== "stopped" && memory.get(remembered);
        if (!isWorthIt || failures >= WAITS_MS.length) throw error;
        onProgress(null);
        await new Promise((resolve) => { wake = resolve; setTimeout(resolve, WAITS_MS[failures]); });
        failures += 1;
      }
    }
  }

  return {
    done: run(),
    stop: () => { stopped = true; request?.abort(); wake(); },
    forget: () => {
      const place = memory.get(remembered);
      memory.drop(remembered);
      if (place) fetch(place, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0" } }).catch(() => {});
    },
  };
}
