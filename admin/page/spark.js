// A sparkline of the clients that have waited, one step a second.

import { draw } from "./dom.js";

const width = 120, height = 22;

export function spark(cell, past, label) {
  if (!cell.path) {
    cell.path = draw("path");
    cell.words = draw("title");
    cell.append(draw("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" }, cell.words, draw("line", { x1: 0, x2: width, y1: height - .5, y2: height - .5 }), cell.path));
  }
  const outline = steps(past);
  if (cell.path.getAttribute("d") !== outline) cell.path.setAttribute("d", outline);
  if (cell.words.textContent !== label) cell.words.textContent = label;
}

// steps is the outline, scaled to its highest. What was not 0 can be seen.
function steps(past) {
  let most = 0;
  for (const n of past) most = Math.max(most, n);
  if (most === 0) return "";
  let text = "", open = false;
  past.forEach((n, x) => {
    if (n > 0) {
      const y = Math.round((height - 1) * 10 * (1 - Math.max(n / most, .08))) / 10;
      text += open ? `V${y}H${x + 1}` : `M${x} ${height - 1}V${y}H${x + 1}`;
      open = true;
    } else if (open) {
      text += `V${height - 1}Z`;
      open = false;
    }
  });
  return open ? `${text}V${height - 1}Z` : text;
}
