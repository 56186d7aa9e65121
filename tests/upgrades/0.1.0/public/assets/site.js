// Adds what pages do well without: times from the reader's point of view, a filter for categories, and copying.
"use strict";

document.documentElement.classList.add("js"); // at once, so that nothing moves when the rest is ready

const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];

function relative(seconds, format) {
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
  }
  return format.format(0, "minute");
}

function tellTimes() {
  const language = document.documentElement.lang;
  let format, local;
  try {
    format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
    local = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short" });
  } catch {
    return; // a language that this browser has never heard of
  }
  for (const time of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    time.title = local.format(moment);
    const ago = time.nextElementSibling;
    if (ago && ago.classList.contains("ago")) ago.textContent = relative((moment - Date.now()) / 1000, format);
  }
}

const plain = (text) => text.normalize("NFKC").toLowerCase();

function filterCategories() {
  const field = document.getElementById("filter");
  if (!field) return;
  const places = [];
  const known = new Map();
  for (const item of document.querySelectorAll(".tree li")) { // those above come first
    const above = known.get(item.parentElement.closest("li"));
    const name = plain(item.querySelector("a").textContent);
    const place = { item, above, path: above ? above.path + "/" + name : name };
    known.set(item, place);
    places.push(place);
  }
  const nothing = document.getElementById("nothing");
  const show = () => {
    const words = plain(field.value).split(/\s+/).filter(Boolean);
    let found = 0;
    for (const place of places) place.isShown = words.every((word) => place.path.includes(word));
    for (const place of places) {
      if (!place.isShown) continue;
      found += 1;
      for (let above = place.above; above && !above.isShown; above = above.above) above.isShown = true;
    }
    for (const place of places) place.item.hidden = !place.isShown;
    nothing.hidden = found > 0;
  };
  field.addEventListener("input", show);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    field.value = "";
    show();
  });
  if (field.value) show(); // a browser that went back remembers what was typed
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no https, or not allowed: the old way
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

function offerCopies() {
  const home = document.querySelector('link[rel="canonical"]').href; // the public address, whatever leads here
  const said = document.getElementById("said");
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      await copy(new URL(button.previousElementSibling.getAttribute("href"), home).href);
      button.classList.add("done");
      said.textContent = "";
      said.textContent = said.dataset.copied;
      setTimeout(() => button.classList.remove("done"), 2000);
    });
  }
}

// A picture that cannot be had leaves its place empty; in the capture phase, since such events do not rise.
document.addEventListener("error", (event) => event.target.classList?.add("missing"), true);

document.addEventListener("DOMContentLoaded", () => {
  tellTimes();
  filterCategories();
  offerCopies();
});
