// How the state comes here: by server-sent events; where there are too many readers of these,
// by asking once and again. Who does not look at the page takes nobody's place.

const silence = 8000; // after which a stream is taken for dead: there is an event each second
const hiddenFor = 60000; // after which a page that nobody sees leaves its stream
const pollEvery = 2000;
const tryStreamEvery = 20000; // while polling
const lostPause = 2000; // before another try, when nobody answers

export class Live {
  // deliver is called with an event and whether it is the whole state, tell with how it comes:
  // connecting, live, polling, lost.
  constructor(deliver, tell) {
    this.deliver = deliver;
    this.tell = tell;
    this.source = null;
    this.timer = 0;
    this.watch = 0;
    document.addEventListener("visibilitychange", () => this.seen());
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (e) => { if (e.persisted) this.open(); });
  }

  open() {
    this.close();
    const source = this.source = new EventSource("events");
    source.addEventListener("state", (e) => this.take(e, true));
    source.addEventListener("change", (e) => this.take(e, false));
    source.onerror = () => {
      if (this.source !== source) return;
      if (source.readyState === EventSource.CLOSED) this.poll(performance.now());
      else this.tell("lost");
    };
    this.listen();
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.watch);
    this.source?.close();
    this.source = null;
  }

  take(e, whole) {
    this.listen();
    this.deliver(JSON.parse(e.data), whole);
    this.tell("live");
  }

  listen() {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => { this.tell("lost"); this.open(); }, silence);
  }

  async poll(since) {
    this.close();
    const round = this.round = {};
    let pause = pollEvery;
    try {
      const answer = await fetch("state", { cache: "no-store", signal: AbortSignal.timeout(silence) });
      if (!answer.ok) throw new Error(answer.status);
      const state = await answer.json();
      if (this.round !== round || this.source) return;
      this.deliver(state, true);
      this.tell("polling");
    } catch {
      if (this.round !== round || this.source) return;
      this.tell("lost");
      pause = lostPause;
      since = -Infinity;
    }
    this.timer = setTimeout(() => (performance.now() - since > tryStreamEvery ? this.open() : this.poll(since)), pause);
  }

  seen() {
    clearTimeout(this.away);
    if (document.hidden) this.away = setTimeout(() => { this.round = null; this.close(); }, hiddenFor);
    else if (!this.source) { this.round = null; this.tell("connecting"); this.open(); }
  }
}
