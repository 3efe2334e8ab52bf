// What a reader has chosen stands in the address, behind the #, so that it can be passed on.

let chosen = new URLSearchParams(location.hash.slice(1));
const listeners = [];

export const get = (name) => chosen.get(name) ?? "";

// set takes "" for what is usual.
export function set(name, value) {
  if (get(name) === value) return;
  if (value) chosen.set(name, value);
  else chosen.delete(name);
  history.replaceState(null, "", chosen.size ? `#${chosen}` : location.pathname + location.search);
  listeners.forEach((tell) => tell());
}

export const onChange = (tell) => listeners.push(tell);

addEventListener("hashchange", () => {
  chosen = new URLSearchParams(location.hash.slice(1));
  listeners.forEach((tell) => tell());
});
