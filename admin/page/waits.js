// Who waits now, and why: by the reason, the longest wait first.

import { byId, keyed, make, setClass, setText } from "./dom.js";
import { several, time } from "./format.js";

const mostReasons = 6, mostNames = 4;

export function showWaits(model) {
  const lines = byReason(model.pools.values());
  const { candidates } = model.head;
  if (candidates.clients_waiting > 0) {
    lines.push({ why: "no server has let anybody in yet", pools: [], clients: candidates.clients_waiting, longest: candidates.max_wait_ms, names: several(candidates.pools, "new pool") });
  }
  lines.sort((a, b) => b.longest - a.longest);
  if (lines.length > mostReasons) lines.splice(mostReasons, Infinity, { why: `and for ${lines.length - mostReasons} more reasons: see the list of pools`, names: "" });
  if (lines.length === 0) lines.push({ why: "✓ Nobody waits.", names: "" });
  keyed(byId("waiting"), lines, (l) => l.why, makeLine, (li, l) => {
    setClass(li, l.clients ? "" : "none");
    setText(li.why, l.why);
    setText(li.rest, l.clients ? ` — ${several(l.clients, "client waits", "clients wait")}, the first for ${time(l.longest)}: ${l.names}` : "");
  });
}

function byReason(pools) {
  const reasons = new Map();
  for (const { row } of pools) {
    if (row.clients_waiting === 0) continue;
    const why = row.why ?? "";
    if (!reasons.has(why)) reasons.set(why, { why, pools: [], clients: 0, longest: 0 });
    const line = reasons.get(why);
    line.pools.push(row);
    line.clients += row.clients_waiting;
    line.longest = Math.max(line.longest, row.max_wait_ms);
  }
  for (const line of reasons.values()) line.names = names(line.pools);
  return [...reasons.values()];
}

function names(pools) {
  pools.sort((a, b) => b.clients_waiting - a.clients_waiting || a.id - b.id);
  const some = pools.slice(0, mostNames).map((r) => `${r.database} / ${r.user} ${r.clients_waiting}`);
  if (pools.length > mostNames) some.push(`and ${several(pools.length - mostNames, "more pool")}`);
  return some.join(", ");
}

function makeLine() {
  const why = make("b"), rest = make("span");
  return Object.assign(make("li", {}, why, rest), { why, rest });
}
