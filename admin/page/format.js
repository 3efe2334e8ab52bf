// How figures are written. A thin space stands between thousands.

export const none = "–";

export function count(n) {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

// perSecond has one digit behind the point where it matters.
export function perSecond(n) {
  if (n === null || !isFinite(n)) return none;
  return n > 0 && n < 10 ? n.toFixed(1) : count(n);
}

// time writes milliseconds with as many digits as matter.
export function time(ms) {
  if (ms === null || !isFinite(ms)) return none;
  if (ms <= 0) return "0";
  if (ms < 1) return `${Math.max(1, Math.round(ms * 1000))} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60e3) return `${(ms / 1000).toFixed(ms < 10e3 ? 2 : 1)} s`;
  return span(ms);
}

// span writes milliseconds in the two largest units.
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 2 * 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// ago is span, in one unit.
export function ago(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (s >= 2 * size) return `${Math.floor(s / size)} ${unit} ago`;
  }
  return s < 2 ? "just now" : `${s} s ago`;
}

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  let unit = -1;
  for (; n >= 1024 && unit < 5; unit++) n /= 1024;
  return `${n.toFixed(1)} ${"KMGTPE"[unit]}iB`;
}

const pad = (n) => String(n).padStart(2, "0");

// moment is a time of the reader's own clock, with the day if that is not today.
export function moment(at) {
  const d = new Date(at), today = new Date();
  const clock = `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
  if (d.toDateString() === today.toDateString()) return clock;
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${clock}`;
}

export const several = (n, one, more = one + "s") => `${count(n)} ${n === 1 ? one : more}`;

export const place = (of) => `${of.cluster} / ${of.group}`;
