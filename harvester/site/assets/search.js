// The index: search over the names of all backtests, the table of projects, and the Snapshots beside this one.
"use strict";

const SHOWN = 100;

function searchItems() {
  return BACKTESTS.flatMap(([projectId, project, pages]) =>
    pages.flatMap(([page, rows]) =>
      rows.map(([name, id, ...tags]) => ({
        name, id, project, page,
        text: `${name} ${id} ${project} ${projectId} ${tags.join(" ")}`.toLowerCase(),
        tags: tags.map((tag) => tag.toLowerCase()),
        state: "",
        dates: { created: "", read: "" },
        values: {},
      }))));
}

function hitLine(item) {
  const line = document.createElement("li");
  const link = document.createElement("a");
  const title = document.createElement("bdi");
  const place = document.createElement("span");
  const project = document.createElement("bdi");
  const id = document.createElement("span");
  link.href = `site/${item.page}#${encodeURIComponent(`b-${item.id}`)}`;
  title.textContent = item.name || "(no name)";
  project.textContent = item.project || "(no name)";
  place.className = "soft";
  id.className = "id";
  id.textContent = item.id;
  place.append(" in ", project);
  link.append(title);
  line.append(link, place, id);
  return line;
}

// The names come as a script when they are first asked for, so that the index itself opens at once.
function setUpSearch(projects) {
  const form = document.querySelector("#find");
  const input = document.querySelector("#search");
  const found = document.querySelector("#found");
  let items = null;
  let asked = false;

  const show = () => {
    const parts = parseQuery(input.value);
    projects.filter(parts);
    found.hidden = !parts.length;
    if (!parts.length || !items) return;
    const all = items.filter((item) => matches(item, parts));
    const hits = [...all.filter((item) => isNamed(item, parts)), ...all.filter((item) => !isNamed(item, parts))];
    found.querySelector("ul").replaceChildren(...hits.slice(0, SHOWN).map(hitLine));
    const shown = hits.length > SHOWN ? `, the first ${SHOWN} of them` : "";
    found.querySelector("h2").textContent = `${hits.length} ${hits.length === 1 ? "backtest" : "backtests"}${shown}`;
  };
  const load = () => {
    if (asked) return;
    asked = true;
    const script = document.createElement("script");
    script.src = "site/backtests.js";
    script.addEventListener("load", () => {
      items = searchItems();
      show();
    });
    document.head.append(script);
  };

  form.hidden = false;
  input.addEventListener("focus", load);
  input.addEventListener("input", () => {
    load();
    show();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const first = found.hidden ? null : found.querySelector("a");
    if (first) first.click();
  });
  focusKeys(input);
  if (input.value) {
    load();
    show();
  }
}

// What has the words in its name comes before what has them in its project's, its id or its tags.
function isNamed(item, parts) {
  return matches({ ...item, text: item.name.toLowerCase() }, parts);
}

function cellValue(cell) {
  const text = cell.dataset.value ?? cell.textContent.trim();
  if (!cell.classList.contains("n")) return text;
  return text === "" ? null : Number(text.replaceAll(",", ""));
}

function setUpProjects() {
  const table = document.querySelector("#projects");
  const head = table.tHead.rows[0];
  let items = Array.from(table.tBodies[0].rows, (row) => ({
    row, text: row.cells[0].textContent.toLowerCase(), tags: [], state: "", dates: { created: "", read: "" }, values: {},
  }));
  sortable(head, (cell, down) => {
    items = ordered(items, (item) => cellValue(item.row.cells[cell.cellIndex]), down);
    table.tBodies[0].append(...items.map((item) => item.row));
    markSorted(head, cell, down);
  });
  return {
    filter(parts) {
      const some = items.some((item) => matches(item, parts));
      for (const item of items) item.row.hidden = some && !matches(item, parts);
    },
  };
}

// A link to another Snapshot is shown where that one still stands: its `snapshot.js` can be loaded and says who it is.
function standsHere(name) {
  for (const link of document.querySelectorAll("nav [data-snapshot]")) {
    const [script, own] = [document.currentScript, document.querySelector("#snapshot").textContent];
    if (script.src.startsWith(new URL(link.dataset.snapshot, location.href)) && name !== own) link.hidden = false;
  }
}

function setUpNeighbours() {
  for (const link of document.querySelectorAll("nav [data-snapshot]")) {
    const script = document.createElement("script");
    script.src = `${link.dataset.snapshot}site/snapshot.js`;
    document.head.append(script);
  }
}

setUpSearch(setUpProjects());
setUpNeighbours();
