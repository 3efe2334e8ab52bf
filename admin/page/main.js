// The status page of Portero. What it shows comes from /events; it changes nothing.

import { byId, make, setHidden } from "./dom.js";
import { showFailovers } from "./failovers.js";
import * as fragment from "./fragment.js";
import { showGroups } from "./groups.js";
import { showLive, showReady, showShort } from "./header.js";
import { Live } from "./live.js";
import { Model } from "./model.js";
import { Pins, Pools, Reasons } from "./pools.js";
import { clients, servers } from "./sockets.js";
import { showWaits } from "./waits.js";

const model = new Model();
const lists = { pools: new Pools(), pins: new Pins(), clients: clients(), servers: servers(), ends: new Reasons() };
let how = "connecting";
let version = null; // of the Portero that this page has come from
let asked = false; // for the next frame
let forced = false;

const tabs = Object.entries(lists).map(([id, list]) => {
  const panel = make("div", { role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}` }, list.element);
  const tab = make("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": panel.id, onclick: () => choose(id), onkeydown: byArrows }, list.title);
  byId("tabs").append(tab);
  byId("panels").append(panel);
  return { id, list, tab, panel };
});

const chosen = () => tabs.find((t) => t.id === fragment.get("tab")) ?? tabs[0];

function choose(id) {
  fragment.set("tab", id === tabs[0].id ? "" : id);
}

function byArrows(e) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
  if (!step) return;
  const next = tabs[(tabs.indexOf(chosen()) + step + tabs.length) % tabs.length];
  choose(next.id);
  next.tab.focus();
}

function show() {
  asked = false;
  for (const t of tabs) {
    const is = t === chosen();
    t.tab.setAttribute("aria-selected", is);
    t.tab.tabIndex = is ? 0 : -1;
    setHidden(t.panel, !is);
  }
  showLive(how, model);
  if (!model.head) return;
  showReady(model.head);
  showShort(model);
  showWaits(model);
  showGroups(model.groups);
  showFailovers(model);
  chosen().list.show(model, forced);
  forced = false;
}

function showSoon() {
  if (!asked) requestAnimationFrame(show);
  asked = true;
}

// reloadFor has the page of the version that answers, once a minute at most: there may be two
// versions behind one address.
function reloadFor(newer) {
  version ??= newer;
  if (version === newer) return;
  const last = Number(sessionStorage.getItem("reloaded") ?? 0);
  if (Date.now() - last < 60000 && Date.now() >= last) return;
  sessionStorage.setItem("reloaded", String(Date.now()));
  location.reload();
}

const live = new Live(
  (event, whole) => {
    model.enter(event, whole);
    reloadFor(event.version);
    showSoon();
  },
  (now) => {
    how = now;
    showSoon();
  },
);

fragment.onChange(() => {
  forced = true;
  showSoon();
});
addEventListener("resize", showSoon);
setInterval(() => {
  showLive(how, model);
  if (model.failovers.some((f) => f.is === "under way")) showFailovers(model);
}, 250);
show();
live.open();
