// What is known of Portero: the last state, with its changes entered, and of each pool what it
// did of late. All of it is bounded by the pools that there are.

const pastLength = 120; // samples of the clients that wait, one a second
const window = 11; // samples of the counters, for rates over ten seconds
const counters = ["transactions", "queries", "transaction_us", "query_us", "waits", "wait_us"];

class Pool {
  constructor() {
    this.row = null;
    this.past = new Uint32Array(pastLength); // oldest first
    this.samples = new Float64Array(window * (counters.length + 1));
    this.taken = 0;
  }

  sample(up) {
    this.past.copyWithin(0, 1);
    this.past[pastLength - 1] = this.row.clients_waiting;
    const at = (this.taken++ % window) * (counters.length + 1);
    this.samples[at] = up;
    counters.forEach((name, i) => { this.samples[at + 1 + i] = this.row[name]; });
  }

  // grown is by how much a counter has grown since the oldest sample. A pool's never shrink.
  grown(name) {
    const i = name === "up" ? 0 : counters.indexOf(name) + 1, size = counters.length + 1;
    if (this.taken < 2) return 0;
    const newest = ((this.taken - 1) % window) * size, oldest = this.taken > window ? (this.taken % window) * size : 0;
    return this.samples[newest + i] - this.samples[oldest + i];
  }

  rate(name) {
    const seconds = this.grown("up") / 1000;
    return seconds > 0 ? this.grown(name) / seconds : null;
  }

  // each is what one of them took, in milliseconds; null if there was none.
  each(sum, number) {
    const n = this.grown(number);
    return n > 0 ? this.grown(sum) / n / 1000 : null;
  }
}

export class Model {
  constructor() {
    this.head = null;
    this.process = null;
    this.groups = [];
    this.failovers = [];
    this.pools = new Map(); // by id
    this.sampled = -Infinity;
    this.received = 0; // by performance.now()
  }

  // enter takes in an event. whole is set if it is all of the state.
  enter(event, whole) {
    if (whole && this.head && this.head.started !== event.started) this.pools.clear();
    const reset = whole && (!this.head || this.head.started !== event.started);
    if (reset) this.sampled = -Infinity;
    const { process, groups, failovers, pools, gone, past, ...head } = event;
    this.head = head;
    this.received = performance.now();
    if (process !== undefined) this.process = process;
    if (groups !== undefined) this.groups = groups;
    if (failovers !== undefined) this.failovers = failovers;
    this.enterPools(pools, gone ?? [], whole);
    if (head.up_ms - this.sampled >= 900) {
      this.sampled = head.up_ms;
      for (const pool of this.pools.values()) pool.sample(head.up_ms);
    }
    for (const [id, all] of Object.entries(past ?? {})) {
      this.pools.get(Number(id))?.past.set(all.slice(-pastLength), pastLength - Math.min(all.length, pastLength));
    }
  }

  enterPools(rows, gone, whole) {
    const seen = new Set();
    for (const row of rows) {
      seen.add(row.id);
      let pool = this.pools.get(row.id);
      if (!pool) this.pools.set(row.id, pool = new Pool());
      pool.row = row;
    }
    for (const id of whole ? [...this.pools.keys()].filter((id) => !seen.has(id)) : gone) this.pools.delete(id);
  }

  // age is how old what is known is, in milliseconds.
  age() { return performance.now() - this.received; }
}
