// The top of the page: is all well, and is this news.

import { byId, keyed, make, setClass, setHidden, setText } from "./dom.js";
import { count, moment, perSecond, span, time } from "./format.js";

const old = 4000; // ms without news, after which a reader is told

const words = {
  connecting: ["connecting", "dim"],
  live: ["● live", "good"],
  polling: ["◐ every 2 s", "dim"],
  lost: ["○ reconnecting", "warn"],
};

// showLive tells how the state comes, and whether it still does.
export function showLive(how, model) {
  const age = model.head ? model.age() : 0;
  const stale = model.head !== null && age > old;
  const [text, look] = words[stale && how === "live" ? "lost" : how];
  const live = byId("live");
  setText(live, text);
  setClass(live, `pill quiet ${look}`);
  live.title = how === "polling" ? "too many pages are open for another stream of events" : "";
  setHidden(byId("old"), !stale);
  if (stale) setText(byId("old"), `▲ No news from Portero for ${span(age)}: what stands below is as old.`);
  document.title = title(stale, model);
}

function title(stale, model) {
  if (!model.head) return "Portero";
  if (stale) return "no news – Portero";
  return model.head.ready ? "Portero" : "▲ not ready – Portero";
}

export function showReady(head) {
  setText(byId("version"), head.version);
  const ready = byId("ready");
  setText(ready, head.ready ? "✓ ready" : "✗ not ready");
  setClass(ready, `pill ${head.ready ? "good" : "bad"}`);
  const reasons = byId("reasons");
  setHidden(reasons, head.ready);
  keyed(reasons, head.not_ready, (r) => r, (r) => make("li", {}, r), () => {});
  setText(byId("since"), `up ${span(head.up_ms)}, since ${moment(head.started)}${head.listeners.length ? `; clients connect to ${head.listeners.join(", ")}` : ""}`);
}

// showShort has the figures of all together.
export function showShort(model) {
  const { head, process } = model;
  const sum = { waiting: head.candidates.clients_waiting, longest: head.candidates.max_wait_ms, rate: 0, measured: model.pools.size === 0, busy: 0, idle: 0, opening: 0, grown: 0, spent: 0 };
  for (const pool of model.pools.values()) {
    const r = pool.row;
    sum.waiting += r.clients_waiting;
    sum.longest = Math.max(sum.longest, r.max_wait_ms);
    sum.measured ||= pool.rate("transactions") !== null;
    sum.rate += pool.rate("transactions") ?? 0;
    sum.grown += pool.grown("queries");
    sum.spent += pool.grown("query_us");
    sum.busy += r.servers_active;
    sum.idle += r.servers_idle;
    sum.opening += r.servers_opening;
  }
  const refused = (process?.clients_refused ?? []).reduce((n, r) => n + r.count, 0);
  const tiles = [
    ["clients", count(head.clients), head.clients_limit ? `of ${count(head.clients_limit)}` : "", ""],
    ["clients waiting", count(sum.waiting), sum.waiting ? `up to ${time(sum.longest)}` : "", sum.waiting ? "warn" : ""],
    ["transactions / s", perSecond(sum.measured ? sum.rate : null), "", ""],
    ["average query", time(sum.grown ? sum.spent / sum.grown / 1000 : null), "", ""],
    ["servers in use", count(sum.busy), `${count(sum.idle)} idle${sum.opening ? `, ${count(sum.opening)} opening` : ""}`, ""],
    ["pools", count(model.pools.size + head.candidates.pools), head.pools_limit ? `of ${count(head.pools_limit)}` : "", ""],
  ];
  if (process) tiles.push(["clients refused", count(refused), process.logging_in ? `${count(process.logging_in)} logging in` : "since the start", ""]);
  if (process?.panics) tiles.push(["panics", count(process.panics), "see the log", "bad"]);
  if (process?.reload_failed) tiles.push(["last reload", "failed", "see the log", "bad"]);
  keyed(byId("short"), tiles, (t) => t[0], makeTile, (div, [, value, beside, look]) => {
    setText(div.value, value);
    setText(div.beside, beside);
    setHidden(div.beside, !beside);
    setClass(div.value, look);
  });
}

function makeTile([name]) {
  const value = make("span"), beside = make("small");
  const div = make("div", {}, make("dt", {}, name), make("dd", {}, value, beside));
  return Object.assign(div, { value, beside });
}

