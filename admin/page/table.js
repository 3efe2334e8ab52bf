// A table of which only the cells that are another are touched. It can be sorted by its heads.

import { make, setText, setHidden } from "./dom.js";
import * as fragment from "./fragment.js";
import { several } from "./format.js";

const atFirst = 250; // rows, until a reader wants more

export class Table {
  // columns have id, title, and either text(row) or draw(cell, row); value(row) to sort by,
  // kind (a class), hint. The first one heads its row. name is that of the choice of the order
  // in the address, usual the order itself, as "id" or "-id".
  constructor({ name, columns, key, usual, empty, caption }) {
    Object.assign(this, { name, columns, key, usual });
    this.rows = new Map();
    this.most = atFirst;
    this.heads = columns.map((c) => this.head(c));
    this.body = make("tbody");
    this.table = make("table", {}, make("caption", { hidden: true }, caption), make("thead", {}, make("tr", {}, ...this.heads)), this.body);
    this.scroll = make("div", { class: "scroll keep", tabindex: 0, role: "region", "aria-label": caption }, this.table);
    this.empty = make("p", { class: "empty" }, empty);
    this.button = make("button", { type: "button", onclick: () => { this.most = Infinity; this.update(this.last, true); } });
    this.more = make("p", { class: "more" }, this.button);
    this.element = make("div", {}, this.scroll, this.empty, this.more);
    this.last = [];
  }

  head(c) {
    const th = make("th", { scope: "col", class: c.kind ?? null, title: c.hint ?? null });
    if (c.value) th.append(make("button", { type: "button", onclick: () => this.sortBy(c) }, c.title));
    else th.append(c.title);
    return th;
  }

  // order has no column where the rows stay as they come.
  order() {
    const text = fragment.get(this.name) || this.usual;
    return { column: this.columns.find((c) => c.value && c.id === text.replace(/^-/, "")), down: text.startsWith("-") };
  }

  // sortBy turns the order round where it is the column's already. Figures begin with the largest.
  sortBy(c) {
    const now = this.order(), down = now.column === c ? !now.down : (c.kind ?? "").includes("n");
    const text = (down ? "-" : "") + c.id;
    fragment.set(this.name, text === this.usual ? "" : text);
    this.update(this.last, true);
  }

  // update shows rows. Unless it is forced to, it leaves them where they are while somebody
  // points at one, or has selected something.
  update(rows, force = false) {
    this.last = rows;
    const { column, down } = this.order();
    this.heads.forEach((th, i) => {
      const is = this.columns[i] === column ? (down ? "descending" : "ascending") : null;
      if (th.getAttribute("aria-sort") === is) return;
      if (is) th.setAttribute("aria-sort", is);
      else th.removeAttribute("aria-sort");
    });
    const sorted = (column ? [...rows].sort(by(column, down)) : rows).slice(0, this.most);
    const still = !force && this.isInUse();
    const wanted = new Set(sorted.map(this.key));
    for (const [k, tr] of this.rows) {
      if (!wanted.has(k)) {
        tr.element.remove();
        this.rows.delete(k);
      }
    }
    let at = this.body.firstElementChild;
    for (const row of sorted) {
      const k = this.key(row);
      let tr = this.rows.get(k);
      if (!tr) {
        this.rows.set(k, tr = this.make());
        this.body.insertBefore(tr.element, still ? null : at);
      } else if (tr.element === at) at = at.nextElementSibling;
      else if (!still) this.body.insertBefore(tr.element, at);
      this.show(tr, row);
    }
    setHidden(this.scroll, rows.length === 0);
    setHidden(this.empty, rows.length > 0);
    setHidden(this.more, rows.length <= this.most);
    setText(this.button, `show all ${several(rows.length, "row")}`);
  }

  isInUse() {
    const selected = getSelection();
    return this.body.matches(":hover") || (!selected.isCollapsed && this.body.contains(selected.anchorNode));
  }

  make() {
    const cells = this.columns.map((c, i) => (i === 0 ? make("th", { scope: "row" }) : make("td", { class: c.kind ?? null })));
    return { element: make("tr", {}, ...cells), cells };
  }

  show(tr, row) {
    this.columns.forEach((c, i) => {
      const cell = tr.cells[i];
      if (c.draw) c.draw(cell, row);
      else setText(cell, c.text(row));
      if (c.look) {
        const look = [c.kind, c.look(row)].filter(Boolean).join(" ");
        if (cell.className !== look) cell.className = look;
      }
    });
  }
}

// by compares rows. What has no value comes last, or first.
function by(column, down) {
  return (a, b) => {
    const x = column.value(a) ?? -Infinity, y = column.value(b) ?? -Infinity;
    const least = x < y ? -1 : x > y ? 1 : 0;
    return down ? -least : least;
  };
}

// twoLines shows a name, and beside or below it what else there is to say of it.
export function twoLines(cell, first, second, tags = []) {
  if (!cell.lines) {
    cell.lines = [make("b"), make("span"), make("small")];
    cell.append(...cell.lines);
  }
  setText(cell.lines[0], first);
  setText(cell.lines[2], second);
  const text = tags.join(" ");
  if (cell.lines[1].textContent !== text) cell.lines[1].replaceChildren(...tags.map((t) => make("span", { class: "tag" }, t)));
  if (cell.title !== `${first}\n${second}`) cell.title = `${first}\n${second}`;
}
