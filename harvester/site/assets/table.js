// A project's page: filter, sort and views. Everything that is asked for stands in the address, after #.
"use strict";

function readRows(table, known) {
  return Array.from(table.tBodies[0].rows, (row, at) => {
    const [list, ...values] = known.rows[at];
    const tags = Array.from(row.querySelectorAll(".tag"), (tag) => tag.textContent);
    const state = row.querySelector(".state");
    const title = row.querySelector(".name bdi").textContent;
    return {
      row,
      at,
      title,
      images: list < 0 ? [] : known.images[list],
      name: title.toLowerCase(),
      tags: tags.map((tag) => tag.toLowerCase()),
      shownTags: tags,
      state: `${state.querySelector(".badge").textContent} ${state.dataset.outcome}`,
      dates: { created: row.querySelector(".dates time").textContent, read: readDate(row) },
      text: `${row.querySelector(".name").textContent} ${state.textContent}`.toLowerCase(),
      values: Object.fromEntries(FIGURES.map((figure, n) => [figure.key, values[n] ?? null])),
    };
  });
}

function readDate(row) {
  const read = row.querySelector(".dates small");
  return read ? read.textContent.slice(-10) : "";
}

class BacktestTable {
  constructor(table, items) {
    this.table = table;
    this.items = items;
    this.shown = items;
    this.figures = FIGURES.map((figure) => figure.key);
    this.input = document.querySelector("#filter");
    this.select = document.querySelector("#sort");
    this.view = "table";
    this.narrow = window.matchMedia("(max-width: 48rem)");
    this.down = false;
    this.key = "";
    sortable(table.tHead.rows[0], (cell, down) => this.sort(cell.dataset.key, down));
    keepTable(table);
    document.querySelector("#tools").hidden = false;
    document.querySelector("#tools").addEventListener("submit", (event) => event.preventDefault());
    this.input.addEventListener("input", () => this.filter());
    this.select.addEventListener("change", () => this.sort(this.select.value, this.isFigure(this.select.value)));
    for (const button of document.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.show(button.dataset.view));
    }
    this.narrow.addEventListener("change", () => this.show(this.view));
    document.querySelector("#add").addEventListener("click", () => this.add());
    focusKeys(this.input);
    this.offerFacets();
    this.restore();
  }

  isFigure(key) {
    return this.figures.includes(key);
  }

  filter() {
    const parts = parseQuery(this.input.value, this.figures);
    this.shown = this.items.filter((item) => matches(item, parts));
    const wanted = new Set(this.shown);
    for (const item of this.items) {
      const hidden = !wanted.has(item);
      if (item.row.hidden !== hidden) item.row.hidden = hidden;
    }
    document.querySelector("#count").textContent = `${this.shown.length} of ${this.items.length}`;
    document.querySelector("#none").hidden = this.shown.length > 0;
    for (const facet of document.querySelectorAll("#facets button")) {
      facet.setAttribute("aria-pressed", String(asksFor(parts, facet.dataset.field, facet.dataset.value)));
    }
    this.remember();
  }

  sort(key, down) {
    this.key = key;
    this.down = down;
    const value = {
      "": (item) => item.at,
      name: (item) => item.name,
      created: (item) => item.dates.created,
      state: (item) => item.state,
    }[key] ?? ((item) => item.values[key]);
    this.items = ordered(this.items, value, down);
    this.table.tBodies[0].append(...this.items.map((item) => item.row));
    const head = this.table.tHead.rows[0];
    markSorted(head, Array.from(head.cells).find((cell) => key && cell.dataset.key === key), down);
    this.select.value = key;
    this.filter();
  }

  show(view) {
    this.view = view;
    this.table.classList.toggle("tiled", view === "tiles" || this.narrow.matches);
    for (const button of document.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
    this.remember();
  }

  add() {
    const field = document.querySelector("#field").value;
    const value = document.querySelector("#value").value.trim();
    if (!value) return;
    this.write([...tokens(this.input.value), `${field}${document.querySelector("#sign").value}${value}`]);
  }

  toggle(facet) {
    const { field, value } = facet.dataset;
    const typed = tokens(this.input.value);
    const rest = typed.filter((each) => !asksFor(parseQuery(each), field, value));
    this.write(rest.length < typed.length ? rest : [...typed, token(field, value)]);
  }

  write(words) {
    this.input.value = words.join(" ");
    this.filter();
  }

  offerFacets() {
    const counts = new Map();
    const count = (field, value, label) => {
      const key = `${field}:${value}`;
      const found = counts.get(key) ?? { field, value, label, number: 0 };
      found.number += 1;
      counts.set(key, found);
    };
    for (const item of this.items) {
      const [state] = item.state.split(" ");
      if (state !== "kept") count("is", state, state);
      item.tags.forEach((tag, n) => {
        if (tag && item.tags.indexOf(tag) === n) count("tag", tag, item.shownTags[n]);
      });
    }
    const found = [...counts.values()].filter((facet) => facet.number < this.items.length || facet.field === "tag");
    const states = found.filter((facet) => facet.field === "is");
    const tags = found.filter((facet) => facet.field === "tag").sort((a, b) => b.number - a.number).slice(0, 12);
    document.querySelector("#facets").append(...[...states, ...tags].map((facet) => {
      const button = document.createElement("button");
      const name = document.createElement("bdi");
      button.type = "button";
      button.dataset.field = facet.field;
      button.dataset.value = facet.value;
      name.textContent = facet.label;
      button.append(facet.field === "tag" ? "#" : "", name, ` ${facet.number}`);
      button.addEventListener("click", () => this.toggle(button));
      return button;
    }));
  }

  remember() {
    if (this.restoring) return;
    const asked = new URLSearchParams();
    if (this.input.value) asked.set("q", this.input.value);
    if (this.key) asked.set("sort", (this.down ? "-" : "") + this.key);
    if (this.view !== "table") asked.set("view", this.view);
    const text = asked.toString();
    if (text || /^#(q|sort|view)=/.test(location.hash)) history.replaceState(null, "", `#${text}`);
  }

  restore() {
    const asked = /^#(q|sort|view)=/.test(location.hash) ? new URLSearchParams(location.hash.slice(1)) : new Map();
    const sort = asked.get("sort") ?? "";
    this.restoring = true;
    this.input.value = asked.get("q") ?? "";
    this.show(asked.get("view") === "tiles" ? "tiles" : "table");
    if (sort) this.sort(sort.replace(/^-/, ""), sort.startsWith("-"));
    else this.filter();
    this.restoring = false;
  }
}

function setUp() {
  const table = document.querySelector("#backtests");
  const items = readRows(table, JSON.parse(document.querySelector("#known").textContent));
  const backtests = new BacktestTable(table, items);
  setUpGallery(backtests);
  window.addEventListener("hashchange", () => backtests.restore());
}

setUp();
