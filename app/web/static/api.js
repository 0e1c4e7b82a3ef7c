// Calls the public REST interface, and nothing else. Errors carry the stable code of a problem.

export class Problem extends Error {
  constructor(code, detail, status) {
    super(detail);
    this.code = code;
    this.status = status;
  }
}

export const filmPath = (id) => `/v1/films/${encodeURIComponent(id)}`;

// Makes a query string; empty values are left out, lists stand several times.
export function query(given) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") words.append(name, one);
    }
  }
  const text = words.toString();
  return text ? `?${text}` : "";
}

export async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("offline", "", 0);
  }
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({}));
  // A key is needed, and this browser has none: the page for it leads back.
  if (answer.status === 401 && location.pathname !== "/login") location.assign("/login");
  if (!answer.ok) throw new Problem(body.code || "unknown", body.detail || body.title || "", answer.status);
  return body;
}

export function send(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  return call(path, options);
}

// Reads all pages of a list, at most `most` items.
export async function all(path, given, most, signal) {
  const items = [];
  let cursor = null;
  do {
    const page = await call(path + query({ ...given, limit: 200, cursor }), { signal });
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null && items.length < most);
  return items;
}

let documentRead = null;

// The interface's own description: what this server offers beyond the main path.
export function offers() {
  documentRead ??= call("/openapi.json").then((found) => ({
    has: (method, path) => Boolean(found.paths[path]?.[method]),
    choices: (method, path, name) => {
      const given = found.paths[path]?.[method]?.parameters || [];
      const schema = given.find((parameter) => parameter.name === name)?.schema || {};
      const named = schema.$ref ? found.components.schemas[schema.$ref.split("/").pop()] : schema;
      return named?.enum || [];
    },
  }));
  return documentRead;
}
