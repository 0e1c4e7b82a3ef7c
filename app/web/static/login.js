// The page where a browser is given its key: the server keeps it as a cookie that no script can read.

import { send } from "./api.js";
import { byId } from "./dom.js";
import { explain, installSwitch } from "./words.js";

byId("open").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = byId("problem");
  problem.hidden = true;
  try {
    await send("PUT", "/v1/session", { key: byId("key").value.trim() });
    location.replace("/");
  } catch (error) {
    problem.textContent = explain(error);
    problem.hidden = false;
    byId("key").focus();
  }
});

installSwitch(() => {});
