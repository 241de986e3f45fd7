// OpenID Connect Session Management 1.0, section 3.2. Nothing leaves this frame but "unchanged", "changed" or "error".
"use strict";
(function () {
  const cookie = document.documentElement.dataset.cookie;

  function browserState() {
    const pair = document.cookie.split("; ").find((pair) => pair.startsWith(cookie + "="));
    return pair === undefined ? "" : pair.slice(cookie.length + 1);
  }

  // Where the browser keeps this site's cookies from frames nothing can be told, and "changed" would never end.
  async function isBlind() {
    return "hasStorageAccess" in document && !(await document.hasStorageAccess());
  }

  async function judge(message, origin) {
    const parts = typeof message === "string" && message.length <= 500 ? message.split(" ") : [];
    const state = (parts[1] || "").split(".");
    if (parts.length !== 2 || parts[0] === "" || state.length !== 2 || !crypto.subtle || (await isBlind())) {
      return "error";
    }
    const text = [parts[0], origin, browserState(), state[1]].join(" ");
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    const hex = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex === state[0] ? "unchanged" : "changed";
  }

  window.addEventListener("message", async (event) => {
    if (event.source === null || event.source === window || event.origin === "null") {
      return;
    }
    const answer = await judge(event.data, event.origin).catch(() => "error");
    event.source.postMessage(answer, event.origin);
  });
})();
