// The list of pools.

import { make, setHidden, setText } from "./dom.js";
import * as fragment from "./fragment.js";
import { bytes, count, perSecond, place, several, time } from "./format.js";
import { spark } from "./spark.js";
import { Table, twoLines } from "./table.js";

const kinds = {
  waiting: ["that have waiting clients", (p) => p.past.some((n) => n > 0)],
  pinned: ["with pinned clients", (p) => (p.row.pins ?? []).some((pin) => pin.clients > 0)],
  errors: ["with errors", (p) => (p.row.errors ?? []).length > 0],
  paused: ["paused or disabled", (p) => p.row.paused || p.row.disabled],
  busy: ["at work", (p) => p.rate("transactions") > 0],
};

const reasons = (list, number) => list.map((r) => `${r.reason} ${count(r[number])}`).join(", ");

const columns = [
  {
    id: "pool", title: "database / user", value: (p) => nameOf(p.row),
    draw: (cell, { row }) => twoLines(cell, nameOf(row), `${place(row)} · ${row.role} · ${row.mode}${row.server_database ? ` · on servers ${row.server_database}` : ""}`, tags(row)),
  },
  { id: "waiting", title: "waiting", kind: "n", hint: "clients that wait for a server now", value: (p) => p.row.clients_waiting, text: (p) => count(p.row.clients_waiting), look: (p) => (p.row.clients_waiting ? "warn strong" : "") },
  { id: "past", title: "last 2 min", hint: "clients waiting, each second of the last two minutes", draw: (cell, p) => spark(cell, p.past, `at most ${count(p.past.reduce((a, b) => Math.max(a, b), 0))} waiting in the last two minutes`) },
  { id: "wait", title: "average wait", kind: "n", hint: "of the clients that had to wait, over the last 10 s", value: (p) => p.each("wait_us", "waits"), text: (p) => time(p.each("wait_us", "waits")) },
  { id: "rate", title: "transactions / s", kind: "n", hint: "over the last 10 s", value: (p) => p.rate("transactions"), text: (p) => perSecond(p.rate("transactions")) },
  { id: "query", title: "query", kind: "n", hint: "average time, over the last 10 s", value: (p) => p.each("query_us", "queries"), text: (p) => time(p.each("query_us", "queries")) },
  { id: "transaction", title: "transaction", kind: "n", hint: "average time, over the last 10 s", value: (p) => p.each("transaction_us", "transactions"), text: (p) => time(p.each("transaction_us", "transactions")) },
  { id: "clients", title: "clients", kind: "n", hint: "that have joined the pool", value: (p) => p.row.clients, text: (p) => count(p.row.clients) },
  { id: "servers", title: "servers in use", kind: "n", hint: "lent, or being cleaned, of pool_size", value: (p) => p.row.servers_active, text: (p) => count(p.row.servers_active) + (p.row.pool_size ? ` of ${count(p.row.pool_size)}` : ""), look: (p) => (p.row.pool_size && p.row.servers_active >= p.row.pool_size ? "warn strong" : "") },
  { id: "idle", title: "idle", kind: "n", value: (p) => p.row.servers_idle, text: (p) => count(p.row.servers_idle) + (p.row.servers_opening ? ` +${p.row.servers_opening} opening` : "") },
  { id: "why", title: "why they wait", kind: "long", text: (p) => p.row.why ?? "" },
  { id: "pins", title: "pinned", kind: "long", hint: "clients that keep their servers, by reason", value: (p) => (p.row.pins ?? []).reduce((n, pin) => n + pin.clients, 0), text: (p) => reasons((p.row.pins ?? []).filter((pin) => pin.clients > 0), "clients") },
  { id: "errors", title: "errors since its start", kind: "long", value: (p) => (p.row.errors ?? []).reduce((n, e) => n + e.count, 0), text: (p) => reasons(p.row.errors ?? [], "count") },
  { id: "total", title: "transactions", kind: "n", hint: "since its start", value: (p) => p.row.transactions, text: (p) => count(p.row.transactions) },
  { id: "received", title: "received", kind: "n", hint: "from clients, since its start", value: (p) => p.row.bytes_received, text: (p) => bytes(p.row.bytes_received) },
  { id: "sent", title: "sent", kind: "n", hint: "to clients, since its start", value: (p) => p.row.bytes_sent, text: (p) => bytes(p.row.bytes_sent) },
];

const nameOf = (row) => `${row.database} / ${row.user}`;

function tags(row) {
  return [row.paused && "paused", row.disabled && "disabled"].filter(Boolean);
}

// matches holds that each word stands somewhere in the names of a pool.
function matches(row, text) {
  const names = `${row.cluster}\n${row.group}\n${row.database}\n${row.server_database ?? ""}\n${row.user}\n${row.role}\n${row.mode}`.toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => names.includes(word));
}

export class Pools {
  constructor() {
    this.title = "Pools";
    this.search = make("input", { type: "search", placeholder: "database, user, cluster, role, mode", "aria-label": "filter pools", oninput: () => fragment.set("q", this.search.value) });
    this.kind = make("select", { "aria-label": "which pools", onchange: () => fragment.set("show", this.kind.value) },
      make("option", { value: "" }, "all pools"), ...Object.entries(kinds).map(([id, [words]]) => make("option", { value: id }, words)));
    this.found = make("output");
    this.table = new Table({ name: "sort", columns, key: (p) => p.row.id, usual: "pool", caption: "Pools", empty: "" });
    this.beside = make("p", { class: "dim" });
    this.element = make("div", {}, make("div", { class: "filters" }, this.search, this.kind, this.found), this.table.element, this.beside);
  }

  show(model, force) {
    const text = fragment.get("q"), kind = kinds[fragment.get("show")];
    if (this.search.value !== text) this.search.value = text;
    this.kind.value = kind ? fragment.get("show") : "";
    const all = [...model.pools.values()], some = all.filter((p) => matches(p.row, text) && (!kind || kind[1](p)));
    setText(this.found, some.length === all.length ? several(all.length, "pool") : `${count(some.length)} of ${several(all.length, "pool")}`);
    setText(this.table.empty, all.length ? "No pool is like that." : "None yet: a pool is made when a server has let its first client in.");
    this.table.update(some, force);
    const { candidates } = model.head;
    setHidden(this.beside, candidates.pools === 0 && !candidates.errors);
    setText(this.beside, [
      candidates.pools && `${several(candidates.pools, "more pool")} that no server has let in yet`,
      candidates.errors && `errors of those that were never let in: ${reasons(candidates.errors, "count")}`,
    ].filter(Boolean).join("; "));
  }
}

// Pins has a row for each reason and pool.
export class Pins {
  constructor() {
    this.title = "Pins";
    this.table = new Table({
      name: "pins", usual: "-clients", caption: "Why clients keep their servers", key: (r) => `${r.pool.id} ${r.reason}`,
      empty: "No client has kept its server behind a transaction.",
      columns: [
        { id: "reason", title: "reason", value: (r) => r.reason, draw: (cell, r) => twoLines(cell, r.reason, "") },
        { id: "clients", title: "clients now", kind: "n", value: (r) => r.clients, text: (r) => count(r.clients), look: (r) => (r.clients ? "strong" : "") },
        { id: "times", title: "times in all", kind: "n", value: (r) => r.times, text: (r) => count(r.times) },
        { id: "pool", title: "database / user", value: (r) => nameOf(r.pool), text: (r) => nameOf(r.pool) },
        { id: "where", title: "cluster / group", value: (r) => place(r.pool), text: (r) => place(r.pool) },
        { id: "mode", title: "mode", value: (r) => r.pool.mode, text: (r) => r.pool.mode },
      ],
    });
    this.element = make("div", {}, make("p", { class: "filters dim" }, "Why clients keep their servers from one transaction to the next. A client may have several reasons."), this.table.element);
  }

  show(model, force) {
    const rows = [];
    for (const { row } of model.pools.values()) {
      for (const pin of row.pins ?? []) rows.push({ ...pin, pool: row });
    }
    this.table.update(rows, force);
  }
}

// Reasons has how clients ended, and why others were refused.
export class Reasons {
  constructor() {
    this.title = "Ends";
    const table = (name, caption, empty) => new Table({
      name, usual: "-count", caption, empty, key: (r) => r.reason,
      columns: [
        { id: "reason", title: caption, value: (r) => r.reason, text: (r) => r.reason },
        { id: "count", title: "clients", kind: "n", value: (r) => r.count, text: (r) => count(r.count) },
      ],
    });
    this.ended = table("ended", "ended since the start", "No client has ended yet.");
    this.refused = table("refused", "refused since the start", "No client has been refused.");
    this.element = make("div", { class: "cards" }, this.ended.element, this.refused.element);
  }

  show(model, force) {
    this.ended.update(model.process?.clients_ended ?? [], force);
    this.refused.update(model.process?.clients_refused ?? [], force);
  }
}
