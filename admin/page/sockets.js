// The lists of clients and servers, which are asked for only while somebody looks at them.

import { make, setText } from "./dom.js";
import * as fragment from "./fragment.js";
import { count, moment, none, span, time } from "./format.js";
import { Table, twoLines } from "./table.js";

const every = 2000;

const shared = {
  name: { id: "name", title: "database / user", value: (r) => `${r.database} / ${r.user}`, draw: (cell, r) => twoLines(cell, `${r.database} / ${r.user}`, r.application_name || none) },
  state: { id: "state", title: "state", value: (r) => r.state, text: (r) => r.state, look: (r) => (r.state.startsWith("waiting") ? "warn strong" : "") },
  address: { id: "address", title: "address", value: (r) => r.address, text: (r) => r.address },
  member: { id: "member", title: "member", value: (r) => r.member, text: (r) => (r.member ? `${r.member} (${r.role})` : none) },
  since: { id: "since", title: "for", kind: "n", hint: "since it began what it is at, or was at last", value: (r) => r.since_ms, text: (r) => span(r.since_ms) },
  connected: { id: "connected", title: "connected", value: (r) => r.connected, text: (r) => moment(r.connected) },
  statements: { id: "statements", title: "statements", kind: "n", hint: "prepared", value: (r) => r.statements, text: (r) => count(r.statements) },
  tls: { id: "tls", title: "TLS", value: (r) => r.tls, text: (r) => r.tls || none },
  id: { id: "id", title: "number", kind: "n", hint: "as in KILL_CLIENT", value: (r) => r.id, text: (r) => String(r.id) },
};

const clientColumns = [
  shared.name, shared.state,
  { id: "wait", title: "waits", kind: "n", value: (r) => r.wait_ms, text: (r) => (r.wait_ms ? time(r.wait_ms) : "") },
  shared.since, shared.address, shared.member,
  { id: "pins", title: "pinned by", kind: "long", value: (r) => r.pins, text: (r) => r.pins },
  { id: "link", title: "server", kind: "n", value: (r) => r.link, text: (r) => (r.link ? String(r.link) : none) },
  shared.connected, shared.statements, shared.tls, shared.id,
];

const serverColumns = [
  shared.name, shared.state, shared.since, shared.address, shared.member,
  { id: "backend", title: "backend", kind: "n", hint: "process ID", value: (r) => r.pid, text: (r) => String(r.pid) },
  { id: "link", title: "client", kind: "n", value: (r) => r.link, text: (r) => (r.link ? String(r.link) : none) },
  { id: "ends", title: "ends", hint: "closed when it comes back", value: (r) => r.close_needed, text: (r) => (r.close_needed ? "yes" : "") },
  shared.connected, shared.statements, shared.tls, shared.id,
];

class Sockets {
  // path is that of the list, and the name of its choices in the address.
  constructor(title, path, columns) {
    Object.assign(this, { title, path, asked: "", other: false, at: -Infinity, busy: false, shown: [] });
    const text = (name, label) => make("input", { type: "search", placeholder: label, "aria-label": `${label} of ${path}`, oninput: (e) => fragment.set(name, e.target.value) });
    this.inputs = { q: text("q", "text"), database: text("database", "database"), user: text("user", "user") };
    this.state = make("select", { "aria-label": `state of ${path}`, onchange: () => fragment.set("state", this.state.value) }, make("option", { value: "" }, "any state"));
    this.limit = make("select", { onchange: () => fragment.set("limit", this.limit.value) }, ...["", "1000", "5000"].map((n) => make("option", { value: n }, n || "200")));
    this.found = make("output");
    this.table = new Table({ name: `sort-${path}`, columns, key: (r) => r.id, usual: "", caption: title, empty: "" });
    this.element = make("div", {}, make("div", { class: "filters" }, ...Object.values(this.inputs), this.state, make("label", {}, "at most", this.limit), this.found), this.table.element);
  }

  show(_, force) {
    for (const [name, input] of Object.entries(this.inputs)) {
      if (input.value !== fragment.get(name)) input.value = fragment.get(name);
    }
    const query = new URLSearchParams();
    for (const name of ["q", "database", "user", "state", "limit"]) {
      if (fragment.get(name)) query.set(name, fragment.get(name));
    }
    const address = `${this.path}?${query}`;
    if (force && this.asked === address) this.table.update(this.shown, true);
    if (!this.busy && (address !== this.asked || performance.now() - this.at >= every)) this.ask(address);
  }

  async ask(address) {
    this.busy = true;
    this.other = address !== this.asked;
    this.asked = address;
    try {
      const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(await answer.text());
      this.take(await answer.json());
    } catch (e) {
      setText(this.found, `not to be had: ${e.message.trim()}`);
    }
    this.at = performance.now();
    this.busy = false;
  }

  take(list) {
    const wanted = fragment.get("state");
    const states = [...new Set([...Object.keys(list.states), ...(wanted ? [wanted] : [])])].sort();
    if (this.state.offered !== states.join()) {
      this.state.offered = states.join();
      this.state.replaceChildren(make("option", { value: "" }, "any state"), ...states.map((s) => make("option", { value: s }, s)));
    }
    this.state.value = wanted;
    this.limit.value = fragment.get("limit");
    const byState = Object.entries(list.states).sort().map(([s, n]) => `${count(n)} ${s}`).join(", ");
    setText(this.found, `${count(list.rows.length)} of ${count(list.matches)}${list.matches < list.total ? ` that match, of ${count(list.total)}` : ""}${byState ? `: ${byState}` : ""}`);
    setText(this.table.empty, list.total ? `No ${this.path.slice(0, -1)} is like that.` : `There are no ${this.path}.`);
    this.shown = list.rows;
    this.table.update(list.rows, this.other);
  }
}

export const clients = () => new Sockets("Clients", "clients", clientColumns);
export const servers = () => new Sockets("Servers", "servers", serverColumns);
