// What the page is made of. Names come from clients: they become text, never markup.

const namespace = "http://www.w3.org/2000/svg";

// make returns an element with attributes and children, which are elements or texts.
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(namespace, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

// The following change nothing that is as it should be, so that selections and open lists stay.

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name) {
  if ((element.getAttribute("class") || "") !== name) element.setAttribute("class", name);
}

export function setHidden(element, is) {
  if (element.hidden !== is) element.hidden = is;
}

// keyed makes the children of parent those of items, in their order: each by its key is made
// once, and updated after that.
export function keyed(parent, items, key, create, update) {
  const known = parent.known ??= new Map();
  const wanted = new Set();
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item);
    wanted.add(k);
    let element = known.get(k);
    if (!element) known.set(k, element = create(item));
    update(element, item);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const [k, element] of known) {
    if (!wanted.has(k)) {
      element.remove();
      known.delete(k);
    }
  }
}
