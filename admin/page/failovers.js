// The last failovers, the newest open: in words, and drawn by the time.

import { byId, keyed, make, setClass, setHidden, setText } from "./dom.js";
import { ago, moment, place, several, time } from "./format.js";
import { drawTimeline } from "./timeline.js";

const atFirst = 5;
const outcomes = ["failed", "unknown", "repeated", "resolved", "cut"];
const meaning = {
  failed: "rolled back, and their clients told (08006)", unknown: "of unknown outcome (08007)", repeated: "run again unseen",
  resolved: "in doubt, and found out", cut: "ended with their client",
};

let all = false;

// showFailovers is called as well between events, as what is under way grows.
export function showFailovers(model) {
  const root = byId("failovers");
  root.none ??= root.appendChild(make("p", { class: "empty" }, "None so far."));
  root.list ??= root.appendChild(make("div"));
  root.button ??= make("button", { type: "button", onclick: () => { all = true; showFailovers(model); } });
  root.more ??= root.appendChild(make("p", { class: "more" }, root.button));
  const list = model.failovers;
  setHidden(root.none, list.length > 0);
  setHidden(root.more, all || list.length <= atFirst);
  setText(root.button, `show all ${list.length}`);
  const newest = list[0];
  keyed(root.list, all ? list : list.slice(0, atFirst), keyOf, (f) => makeFailover(f === newest), (details, f) => showFailover(details, f, model));
}

const keyOf = (f) => `${f.group} ${f.began} ${f.cluster}`;

function makeFailover(open) {
  const parts = { what: make("b"), is: make("span"), when: make("span", { class: "dim" }), text: make("p"), drawing: null, phases: make("ol", { class: "phases" }) };
  parts.drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  parts.drawing.setAttribute("class", "timeline");
  parts.drawing.setAttribute("role", "img");
  const details = make("details", { class: "failover", open },
    make("summary", {}, parts.what, parts.is, parts.when, parts.text), make("div", {}, parts.drawing, parts.phases));
  details.addEventListener("toggle", () => details.redraw?.());
  Object.assign(details, { parts, drawn: "" });
  return details;
}

function showFailover(details, f, model) {
  const { parts } = details;
  const past = model.age(), took = f.is === "under way" ? f.took_ms + past : f.took_ms;
  setText(parts.what, title(f));
  setText(parts.is, { "under way": " ● under way", "called off": " called off", over: "" }[f.is]);
  setClass(parts.is, f.is === "under way" ? "warn strong" : "dim");
  setText(parts.when, ` · ${place(f)} · ${moment(f.began)}, ${ago(Date.parse(model.head.at) + past - Date.parse(f.began))}`);
  setText(parts.text, inWords(f, took));
  keyed(parts.phases, f.phases, (p) => p.name, makePhase, (li, p) => {
    setText(li.number, String(f.phases.indexOf(p) + 1));
    setText(li.rest, `${p.name} ${p.after_ms > 0 ? `+${time(p.after_ms)}` : "at first"}`);
  });
  details.redraw = () => redraw(details, f, took);
  details.redraw();
}

function makePhase() {
  const number = make("b"), rest = make("span");
  return Object.assign(make("li", {}, number, rest), { number, rest });
}

function redraw(details, f, took) {
  const { drawing } = details.parts;
  const width = details.open ? drawing.clientWidth : 0;
  const drawn = `${width} ${took} ${f.phases.length} ${f.to}`;
  if (width === 0 || details.drawn === drawn) return;
  details.drawn = drawn;
  drawing.setAttribute("aria-label", `${title(f)}: ${f.phases.map((p) => `${p.name} after ${time(p.after_ms)}`).join(", ")}`);
  drawTimeline(drawing, f, took, width);
}

function title(f) {
  const from = f.from || "?", to = f.to || "?";
  if (f.from && f.from === f.to) return `Restart of ${from}`;
  return `${f.phases.some((p) => p.name === "announced") ? "Switchover" : "Failover"} ${from} → ${to}`;
}

// inWords says what it did to clients.
function inWords(f, took) {
  const phase = (name) => f.phases.find((p) => p.name === name)?.after_ms;
  const words = [], held = phase("held"), lost = phase("lost") ?? phase("elected"), proved = phase("proved");
  if (held === undefined) words.push("clients were not held");
  else words.push(`clients ${phase("released") === undefined && f.is === "under way" ? "have been" : "were"} held for ${time((phase("released") ?? phase("called off") ?? took) - held)}`);
  if (f.clients_held) words.push(`${several(f.clients_held, "client")} were waiting at the end`);
  if (lost !== undefined) words.push(`no proved leader for ${time((proved ?? took) - lost)}`);
  const met = outcomes.filter((name) => f.transactions[name] > 0);
  if (met.length === 0) words.push(f.is === "under way" ? "no transaction lost so far" : "no transaction was lost");
  else words.push(`transactions: ${met.map((name) => `${f.transactions[name]} ${meaning[name]}`).join(", ")}`);
  return words.join("; ");
}
