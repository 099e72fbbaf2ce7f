// Keeps the live page as it is on the server. Without it the page is read and operated all the same.
"use strict";

(() => {
  const live = document.getElementById("live");
  if (!live) return;
  const said = document.getElementById("said");
  const connection = document.getElementById("connection");
  const SAID_EVERY_MS = 5000; // a screen reader must have the time to say it

  const waiting = [];
  let silentUntil = 0;
  let timer = null;

  const speak = () => {
    timer = null;
    if (!waiting.length) return;
    said.textContent = waiting.splice(0).join(". ");
    silentUntil = Date.now() + SAID_EVERY_MS;
  };

  const tell = (lines) => {
    waiting.push(...lines);
    if (waiting.length && timer === null) {
      timer = setTimeout(speak, Math.max(0, silentUntil - Date.now()));
    }
  };

  const replace = (name, html) => {
    const region = live.querySelector(`[data-region="${name}"]`);
    if (!region) return;
    const focused = region.contains(document.activeElement)
      ? document.activeElement.getAttribute("href")
      : null;
    region.innerHTML = html; // every value in it was escaped by the server's templates
    if (focused !== null) {
      for (const link of region.querySelectorAll("a[href]")) {
        if (link.getAttribute("href") === focused) link.focus({ preventScroll: true });
      }
    }
  };

  const events = new EventSource("/live/events");
  events.onopen = () => { connection.hidden = true; };
  events.onerror = () => {
    connection.hidden = false;
    live.classList.add("stale");
  };
  events.onmessage = (event) => {
    const { run, life, regions, said: lines } = JSON.parse(event.data);
    // Another run has another form: the page is loaded again, but never under somebody who writes.
    const text = live.querySelector('input[name="text"]');
    if (run !== live.dataset.run && !(text && text.value)) {
      location.reload();
      return;
    }
    connection.hidden = true;
    live.classList.remove("stale");
    live.dataset.life = life; // what ended takes no note, and cannot be aborted
    for (const [name, html] of Object.entries(regions)) replace(name, html);
    tell(lines);
  };
  // A stream that is left open keeps its place on the server until the page is gone.
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
