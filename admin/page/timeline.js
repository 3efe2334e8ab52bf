// The drawing of one failover: what became of the database and of its clients, by the time.

import { draw } from "./dom.js";
import { time } from "./format.js";

const left = 68, right = 14, mark = 8, lane = 18, gap = 6;

// drawTimeline draws f, of which took milliseconds have passed, into svg, so many pixels wide.
export function drawTimeline(svg, f, took, width) {
  const length = Math.max(took, 1), inner = Math.max(width - left - right, 40);
  const x = (ms) => left + (Math.min(ms, length) / length) * inner;
  const rows = stagger(f.phases.map((p) => x(p.after_ms)));
  const top = (Math.max(0, ...rows) + 1) * (2 * mark + 2) + 2;
  const lanes = [top, top + lane + gap], bottom = lanes[1] + lane + 6;
  const parts = [
    label("database", lanes[0]), label("clients", lanes[1]),
    ...segments(database(f, length), lanes[0], x), ...segments(clients(f, length), lanes[1], x),
    ...f.phases.flatMap((p, i) => phaseMark(x(p.after_ms), rows[i] * (2 * mark + 2) + mark + 1, bottom, i + 1)),
    ...axis(length, bottom, x),
  ];
  svg.setAttribute("viewBox", `0 0 ${width} ${bottom + 18}`);
  svg.setAttribute("height", bottom + 18);
  svg.replaceChildren(...parts);
}

// stagger puts marks that would cover each other into rows.
function stagger(xs) {
  const last = [];
  return xs.map((x) => {
    let row = last.findIndex((before) => x - before >= 2 * mark + 2);
    if (row < 0) row = last.length;
    last[row] = x;
    return row;
  });
}

const at = (f, name) => f.phases.find((p) => p.name === name)?.after_ms;

function database(f, end) {
  const lost = at(f, "lost") ?? at(f, "elected"), elected = at(f, "elected"), proved = at(f, "proved");
  if (lost === undefined) return [["old", 0, end, f.from ? `${f.from} leads` : ""]];
  const all = [["old", 0, lost, f.from]];
  all.push(["none", lost, elected ?? end, "no leader"]);
  if (elected !== undefined) all.push(["proving", elected, proved ?? end, "not proved"]);
  if (proved !== undefined) all.push(["new", proved, end, f.to]);
  return all;
}

function clients(f, end) {
  const held = at(f, "held"), released = at(f, "released") ?? at(f, "called off") ?? end;
  if (held === undefined) return [["served", 0, end, "served"]];
  return [["served", 0, held, "served"], ["held", held, released, "held"], ["served", released, end, "served"]];
}

function segments(all, y, x) {
  return all.filter(([, from, to]) => x(to) - x(from) > .5).flatMap(([look, from, to, words]) => {
    const wide = x(to) - x(from);
    const parts = [draw("rect", { class: look, x: x(from), y, width: wide, height: lane, rx: 2 })];
    if (wide > 8 + 7 * words.length) parts.push(draw("text", { x: x(from) + 5, y: y + 13 }, words));
    else parts[0].append(draw("title", {}, words));
    return parts;
  });
}

const label = (words, y) => draw("text", { class: "dim", x: 0, y: y + 13 }, words);

function phaseMark(x, y, bottom, number) {
  return [
    draw("line", { class: "mark", x1: x, x2: x, y1: y, y2: bottom }),
    draw("circle", { cx: x, cy: y, r: mark }),
    draw("text", { class: "number", x, y: y + 4 }, String(number)),
  ];
}

// axis has ticks at round times.
function axis(length, y, x) {
  const least = length / Math.max(2, Math.min(8, Math.floor((x(length) - x(0)) / 90)));
  const size = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((n) => n * size).find((n) => n >= least);
  const parts = [draw("line", { class: "axis", x1: x(0), x2: x(length), y1: y, y2: y })];
  for (let ms = 0; ms <= length; ms += step) {
    parts.push(draw("line", { class: "axis", x1: x(ms), x2: x(ms), y1: y, y2: y + 4 }));
    parts.push(draw("text", { class: "dim", x: x(ms), y: y + 15, "text-anchor": x(ms) > x(length) - 12 ? "end" : "middle" }, time(ms)));
  }
  return parts;
}
