// Asks for the page again and again, and replaces only what has changed: what is focused, selected or scrolled stays so.
"use strict";
(() => {
  const PAUSE_MS = 500;
  let tag = null;

  // Children are told apart by their keys. Those that are as they were are not touched, and none stays that is not wanted.
  function update(old, fresh) {
    const known = new Map([...old.children].map((child) => [child.dataset.key, child]));
    const unused = new Set(old.children);
    let next = old.firstElementChild;
    for (const child of [...fresh.children]) {
      const same = known.get(child.dataset.key);
      known.delete(child.dataset.key);
      unused.delete(same);
      if (same === undefined) {
        child.classList.add("new");
        old.insertBefore(child, next);
        continue;
      }
      if (same !== next) old.insertBefore(same, next);
      next = same.nextElementSibling;
      const wasNew = same.classList.contains("new");
      if (wasNew) child.classList.add("new");
      if (!same.isEqualNode(child)) {
        child.classList.add("new");
        same.replaceWith(child);
      }
    }
    for (const child of unused) child.remove();
  }

  function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const id of ["summary", "clock"]) {
      const old = document.getElementById(id);
      const text = fresh.getElementById(id).textContent;
      if (old.textContent !== text) old.textContent = text;
    }
    for (const part of fresh.querySelectorAll("[data-live]")) {
      update(document.querySelector(`[data-live="${part.dataset.live}"]`), part);
    }
  }

  function say(text) {
    const line = document.getElementById("connection");
    if (line.textContent !== text) line.textContent = text;
  }

  async function look() {
    try {
      const headers = tag === null ? {} : { "If-None-Match": tag };
      const answer = await fetch("/", { headers, cache: "no-store" });
      if (answer.status === 200) {
        show(await answer.text());
        tag = answer.headers.get("ETag");
      }
      say("This page updates by itself.");
    } catch {
      say("The sandbox has stopped. This is what it held last.");
    }
    setTimeout(later, PAUSE_MS);
  }

  // Nobody sees a page in the background.
  function later() {
    if (!document.hidden) return void look();
    document.addEventListener("visibilitychange", later, { once: true });
  }

  look();
})();
