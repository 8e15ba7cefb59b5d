// What is typed into a filter, taken apart and compared: shared by all pages. Plain scripts, since a page on disk
// can load no modules and fetch nothing.
"use strict";

const TOKEN = /(-?)(?:([a-z]+)(>=|<=|[:><=]))?(?:"((?:[^"]|"")*)"?|([^\s"]+))/gi;
const DATES = ["created", "read"];
const LABELS = ["tag", "is"];

// Words, "several words" (a quote within them is written twice), tag:live, is:new, sharpe>1.2, created<2024-06; a - before any of them for its opposite.
// What is not complete yet, such as `sharpe>`, asks for nothing.
function parseQuery(text, figures = []) {
  const parts = [];
  for (const [whole, minus, name, sign, quoted, plain] of text.matchAll(TOKEN)) {
    const field = (name || "").toLowerCase();
    const value = (quoted?.replaceAll('""', '"') ?? plain).toLowerCase();
    const not = minus === "-";
    if (LABELS.includes(field) && sign === ":") {
      if (value) parts.push({ field, value, not });
    } else if (DATES.includes(field)) parts.push({ field, sign, value, not });
    else if (figures.includes(field)) {
      const number = Number(value.replace("%", ""));
      if (value && !Number.isNaN(number)) parts.push({ field, sign, value: number, not });
    } else if (!isBegun(whole, figures)) {
      const word = quoted !== undefined && !name ? value : whole.replace(/^-/, "").toLowerCase();
      if (word) parts.push({ field: "", value: word, not });
    }
  }
  return parts;
}

function isBegun(whole, figures) {
  const begun = /^-?([a-z]+)(?:>=?|<=?|[:=])"?$/i.exec(whole);
  return begun !== null && [...figures, ...DATES, ...LABELS].includes(begun[1].toLowerCase());
}

function compare(own, sign, wanted) {
  return { ">": own > wanted, "<": own < wanted, ">=": own >= wanted, "<=": own <= wanted }[sign] ?? own === wanted;
}

// An item has text, tags, state, dates and values, all in lower case.
function matches(item, parts) {
  return parts.every((part) => fits(item, part) !== part.not);
}

function fits(item, part) {
  if (part.field === "tag") return item.tags.includes(part.value);
  if (part.field === "is") return item.state.split(" ").includes(part.value);
  if (DATES.includes(part.field)) {
    const own = item.dates[part.field].slice(0, part.value.length);
    return own !== "" && compare(own, part.sign, part.value);
  }
  if (part.field) {
    const own = item.values[part.field];
    return own !== null && own !== undefined && compare(own, part.sign, part.value);
  }
  return item.text.includes(part.value);
}

function asksFor(parts, field, value) {
  return parts.some((part) => part.field === field && part.value === value && !part.not);
}

// A query's tokens as they were typed; a quote that is still open is closed, so that more can follow.
function tokens(text) {
  return Array.from(text.matchAll(TOKEN), ([whole]) => (whole.split('"').length % 2 ? whole : `${whole}"`));
}

// A token is quoted when it holds a blank or a quote.
function token(field, value) {
  return /[\s"]/.test(value) ? `${field}:"${value.replaceAll('"', '""')}"` : `${field}:${value}`;
}

// What is absent goes to the end, whichever way is up.
function ordered(items, key, down) {
  const sign = down ? -1 : 1;
  const absent = (value) => value === null || value === undefined || value === "";
  return [...items].sort((a, b) => {
    const x = key(a), y = key(b);
    if (absent(x) || absent(y)) return absent(x) - absent(y);
    return sign * (typeof x === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true }));
  });
}

// Gives each heading of a table a button; pressed again it turns the order around.
function sortable(head, sort) {
  for (const cell of head.cells) {
    if (!cell.textContent || cell.classList.contains("chart")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    button.addEventListener("click", () => {
      const before = cell.getAttribute("aria-sort");
      const down = before ? before === "ascending" : cell.classList.contains("n");
      sort(cell, down);
    });
    cell.replaceChildren(button);
  }
}

function markSorted(head, cell, down) {
  for (const other of head.cells) other.removeAttribute("aria-sort");
  if (cell) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
}

// Styles may lay out rows as grids; a screen reader is still told that it is a table.
function keepTable(table) {
  table.setAttribute("role", "table");
  for (const part of [table.tHead, ...table.tBodies]) part.setAttribute("role", "rowgroup");
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    for (const cell of row.cells) {
      const header = cell.scope === "col" ? "columnheader" : cell.scope === "row" ? "rowheader" : "cell";
      cell.setAttribute("role", header);
    }
  }
}

// `/` goes to the field, Escape clears it.
function focusKeys(input) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      input.focus();
      input.select();
    } else if (event.key === "Escape" && document.activeElement === input && input.value) {
      event.preventDefault();
      input.value = "";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
}

document.documentElement.classList.add("js");
