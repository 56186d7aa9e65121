// Looks at what a browser makes of contents, and does all that a reader may do with them.
"use strict";

const EVENTS = ("error load click dblclick mouseover mouseenter pointerenter focus blur toggle start begin loadstart animationstart " +
  "wheel copy paste keydown transitionend scrollend beforetoggle pageshow hashchange message securitypolicyviolation " +
  "unhandledrejection contentvisibilityautostatechange submit").split(" ");
const TAGS = new Set(("a abbr audio b bdi bdo blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2 " +
  "h3 h4 h5 h6 hr i iframe img ins kbd li mark ol p pre q rp rt ruby s samp small source strong sub summary sup table tbody td " +
  "tfoot th thead time tr u ul var video wbr").split(" "));
const ATTRIBUTES = new Set(("href title src alt width height referrerpolicy allowfullscreen controls preload poster colspan rowspan " +
  "dir start type reversed value open datetime").split(" "));
const GOOD = /^(https?:\/\/[^/]|mailto:.|tel:.)/;
const RUNS = /^[\s\0-\x20]*(javascript|data|vbscript|blob)/i;

// What runs by a click may do so; whatever else a link leads to is left alone.
function stay(event) {
  const link = event.composedPath().find((each) => each.href);
  const target = link && (link.getAttribute("href") ?? link.getAttribute("xlink:href") ?? "");
  if (link && !RUNS.test(target)) event.preventDefault();
}

function stir(page) {
  page.addEventListener("click", stay);
  for (const element of page.querySelectorAll("*")) {
    for (const name of EVENTS) element.dispatchEvent(new Event(name));
    if (/^(a|area|button|input|summary|maction|mi|math)$/i.test(element.localName)) {
      element.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, view: page.defaultView }));
    }
  }
}

function told(element) {
  const name = element.localName;
  if (element.namespaceURI !== "http://www.w3.org/1999/xhtml" || !TAGS.has(name) || element.shadowRoot) return [`<${name}>`];
  return [...element.attributes].filter(({ name, value }) =>
    !ATTRIBUTES.has(name) || (/^(href|src|poster)$/.test(name) && !(GOOD.test(value) && GOOD.test(element[name])))
  ).map(({ name, value }) => `${name}=${value}`);
}

function isSettled(written) {
  const again = document.implementation.createHTMLDocument("").body; // where scripting is off
  again.innerHTML = written;
  return again.innerHTML === written && new DOMParser().parseFromString("<!doctype html><body><div>" + written + "</div>", "text/html").body.innerHTML === `<div>${written}</div>`;
}

// Return what is wrong with the contents, each of which stands in an element of its own.
function wrong(count) {
  const found = [];
  const all = [...document.body.children];
  if (all.length !== count || all.some((each) => each.className !== "entry")) found.push("a content left its place");
  for (const entry of document.querySelectorAll(".entry")) {
    for (const element of entry.querySelectorAll("*")) found.push(...told(element).map((what) => `${entry.dataset.name}: ${what}`));
    if (!isSettled(entry.innerHTML)) found.push(`${entry.dataset.name}: another parser reads it otherwise: ${entry.innerHTML}`);
  }
  return found;
}

function put(entries) {
  document.body.replaceChildren(...entries.map(([name, content]) => {
    const entry = document.createElement("div");
    entry.className = "entry";
    entry.dataset.name = name;
    entry.innerHTML = content;
    return entry;
  }));
}

// Open pages in frames, some at a time, and stir each.
async function visit(pages, { isMarkup = false, together = 40 } = {}) {
  for (let begin = 0; begin < pages.length; begin += together) {
    const frames = pages.slice(begin, begin + together).map((page) => {
      const frame = document.createElement("iframe");
      const loaded = new Promise((done) => { frame.addEventListener("load", done); setTimeout(done, 2000); });
      if (isMarkup) frame.srcdoc = page; else frame.src = page;
      document.body.append(frame);
      return { frame, loaded };
    });
    for (const { frame, loaded } of frames) {
      await loaded;
      try { stir(frame.contentDocument); } catch { /* it went elsewhere, which the log of requests tells */ }
    }
    await new Promise((done) => setTimeout(done, 100));
    for (const { frame } of frames) frame.remove();
  }
}
