// The groups: who leads each, since which epoch and timeline, and how its members are.

import { byId, keyed, make, setClass, setHidden, setText } from "./dom.js";
import { bytes, count, none, place, span, time } from "./format.js";

const well = new Set(["running", "streaming"]);

export function showGroups(groups) {
  const root = byId("groups");
  root.none ??= root.appendChild(make("p", { class: "empty" }, "No group is known yet."));
  setHidden(root.none, groups.length > 0);
  setClass(byId("state"), groups.length > 2 ? "many" : "");
  root.list ??= root.appendChild(make("div", { class: "cards all" }));
  keyed(root.list, groups, (g) => `${g.group} ${g.cluster}`, makeCard, showCard);
}

function makeCard() {
  const parts = {
    name: make("h3"), state: make("p", { class: "pill" }), leader: make("p", { class: "leader" }),
    facts: make("dl", { class: "facts" }), notes: make("ul", { class: "notes" }), members: make("tbody"),
  };
  const heads = [["member", null], ["role, state", null], ["lag", "n"]].map(([t, c]) => make("th", { scope: "col", class: c }, t));
  parts.table = make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), parts.members));
  const card = make("article", { class: "card" }, make("div", { class: "head" }, parts.name, parts.state), parts.leader, parts.facts, parts.notes, parts.table);
  return Object.assign(card, { parts });
}

function showCard(card, g) {
  const { parts } = card;
  setText(parts.name, place(g));
  const [state, look] = stateOf(g);
  setText(parts.state, state);
  setClass(parts.state, `pill ${look}`);
  showLeader(parts.leader, g);
  keyed(parts.facts, facts(g), (f) => f[0], ([name]) => make("div", {}, make("dt", {}, name), make("dd")), (div, [, value]) => setText(div.lastChild, value));
  keyed(parts.notes, g.notes, (n) => n, (n) => make("li", {}, n), () => {});
  setHidden(parts.table, g.members.length === 0);
  keyed(parts.members, g.members, (m) => m.name, makeMember, (tr, m) => showMember(tr, m, g.timeline));
}

function stateOf(g) {
  if (g.held) return [`‖ held: ${g.held}`, g.leader ? "warn" : "bad"];
  return g.leader || g.all_write ? ["✓ served", "good"] : ["✗ no leader", "bad"];
}

function showLeader(p, g) {
  if (!p.name) {
    p.name = make("span");
    p.where = make("small");
    p.append(p.name, p.where);
  }
  setText(p.name, g.leader || (g.all_write ? "every node takes writes" : "nobody leads"));
  setClass(p.name, g.leader || g.all_write ? "" : "bad");
  const at = g.members.find((m) => m.leads)?.address;
  setText(p.where, g.leader ? ` leads${at && at !== g.leader ? `, ${at}` : ""}` : "");
}

function facts(g) {
  const all = g.all_write ? [["nodes", count(g.members.length)]] : [["epoch", count(g.epoch)], ["timeline", g.timeline ? count(g.timeline) : none], ["changes", count(g.epoch_changes)]];
  if (g.leaderless_s > 0) all.push(["leaderless", time(g.leaderless_s * 1000)]);
  if (g.held_s > 0) all.push(["held", g.held_s < 60 ? time(g.held_s * 1000) : span(g.held_s * 1000)]);
  return all;
}

function makeMember() {
  const name = make("span"), address = make("small"), role = make("span"), state = make("small"), bytes = make("span"), time = make("small");
  const tr = make("tr", {}, make("th", { scope: "row" }, name, address), make("td", {}, role, state), make("td", { class: "n" }, bytes, time));
  tr.parts = { name, address, role, state, bytes, time };
  return tr;
}

function showMember({ parts }, m, timeline) {
  setText(parts.name, m.leads ? `★ ${m.name}` : m.name);
  setClass(parts.name, m.leads ? "strong" : "");
  setText(parts.address, [m.address !== m.name && m.address, m.zone && `zone ${m.zone}`].filter(Boolean).join(", "));
  setText(parts.role, m.role || none);
  setText(parts.state, [m.state, m.timeline && m.timeline !== timeline && `timeline ${m.timeline}`].filter(Boolean).join(", "));
  setClass(parts.state, well.has(m.state) || m.state === "" ? "" : "warn strong");
  setText(parts.bytes, m.leads ? "" : m.lag === null ? none : bytes(m.lag));
  setText(parts.time, m.leads || m.lag_ms === null ? "" : time(m.lag_ms));
}
