// Filter, sort, gallery and search of a Snapshot's pages. Works from disk: no requests but for files beside it.
"use strict";

const FIGURES = { sharpe: "sharpe", cagr: "cagr", drawdown: "drawdown", profit: "profit", psr: "psr", trades: "trades", created: "created" };

// One word of a query: `momentum`, `tag:live`, `is:new`, `sharpe>1.2`, `created<2024-06`.
function parseQuery(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const compared = /^([a-z]+)(>=|<=|>|<|=)(.+)$/.exec(word);
    if (compared && FIGURES[compared[1]]) return { figure: compared[1], sign: compared[2], value: compared[3] };
    const labelled = /^(tag|is):(.+)$/.exec(word);
    return labelled ? { label: labelled[1], value: labelled[2] } : { word };
  });
}

function compares(own, sign, wanted) {
  if (own === "") return false;
  const dates = Number.isNaN(Number(wanted));
  const a = dates ? own.slice(0, wanted.length) : Number(own);
  const b = dates ? wanted : Number(wanted);
  return { ">": a > b, "<": a < b, ">=": a >= b, "<=": a <= b, "=": a === b }[sign];
}

function matches(item, parts) {
  return parts.every((part) => {
    if (part.figure) return compares(item.values[part.figure] ?? "", part.sign, part.value);
    if (part.label === "tag") return item.tags.some((tag) => tag.includes(part.value));
    if (part.label === "is") return item.is.includes(part.value);
    return item.text.includes(part.word);
  });
}

function setUpTable(table) {
  const body = table.tBodies[0];
  const input = document.querySelector("#filter");
  const count = document.querySelector("#count");
  const items = Array.from(body.rows, (row) => ({
    row,
    text: row.dataset.text,
    tags: (row.dataset.tags || "").split("\n").filter(Boolean),
    is: row.dataset.is || "",
    values: { ...row.dataset },
  }));
  const filter = () => {
    const parts = parseQuery(input.value);
    let shown = 0;
    for (const item of items) {
      const show = matches(item, parts);
      if (item.row.hidden === show) item.row.hidden = !show;
      shown += show;
    }
    count.textContent = `${shown} of ${items.length}`;
  };
  input.addEventListener("input", filter);
  for (const head of table.tHead.rows[0].cells) {
    const button = head.querySelector("button");
    if (!button) continue;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = button.dataset.key;
      const numeric = button.dataset.numeric !== undefined;
      const value = (item) => (numeric ? (item.values[key] === "" ? NaN : Number(item.values[key])) : item.values[key] || "");
      const sign = down ? -1 : 1;
      items.sort((a, b) => {
        const x = value(a), y = value(b);
        if (numeric) return Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : sign * (x - y);
        return sign * x.localeCompare(y);
      });
      body.append(...items.map((item) => item.row));
    });
  }
  if (location.hash.startsWith("#q=")) input.value = decodeURIComponent(location.hash.slice(3));
  filter();
}

function setUpGallery() {
  const dialog = document.querySelector("#gallery");
  const data = document.querySelector("#galleries");
  if (!dialog || !data) return;
  const lists = JSON.parse(data.textContent);
  const title = dialog.querySelector("h2");
  const sheet = dialog.querySelector("#sheet");
  const page = dialog.querySelector("#page");
  let current = null;
  const show = (row) => {
    current = row;
    title.textContent = row.dataset.name;
    page.href = `${row.dataset.path}/offline.html`;
    sheet.replaceChildren(...(lists[row.dataset.gallery] || []).map((name) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const image = document.createElement("img");
      caption.textContent = name.replace(/^\d+-/, "").replace(/\.\w+$/, "").replaceAll("-", " ");
      image.src = `${row.dataset.path}/images/${name}`;
      image.alt = caption.textContent;
      image.loading = "lazy";
      figure.append(caption, image);
      return figure;
    }));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };
  const step = (way) => {
    let row = current;
    do { row = way > 0 ? row.nextElementSibling : row.previousElementSibling; } while (row && (row.hidden || !row.dataset.gallery));
    if (row) show(row);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-open-gallery]");
    if (button) show(button.closest("tr"));
  });
  dialog.querySelector("#previous").addEventListener("click", () => step(-1));
  dialog.querySelector("#next").addEventListener("click", () => step(1));
  dialog.querySelector("#close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
  });
}

// The names of all backtests come as a script when they are first wanted: pages on disk cannot fetch.
function setUpSearch() {
  const input = document.querySelector("#search");
  if (!input) return;
  const found = document.querySelector("#found");
  let loading = false;
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = !words.length;
    if (!words.length || !window.BACKTESTS) return;
    const hits = window.BACKTESTS.rows.filter((row) => words.every((word) => row[3].includes(word)));
    const list = hits.slice(0, 100).map(([name, project, page]) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = `site/${page}#q=${encodeURIComponent(name)}`;
      link.textContent = name || "(no name)";
      item.append(link, ` in ${window.BACKTESTS.projects[project]}`);
      return item;
    });
    found.querySelector("ul").replaceChildren(...list);
    found.querySelector("p").textContent = hits.length > 100 ? `${hits.length} found, the first 100:` : `${hits.length} found`;
  };
  input.addEventListener("input", () => {
    if (!loading) {
      loading = true;
      const script = document.createElement("script");
      script.src = "site/search.js";
      script.addEventListener("load", show);
      document.head.append(script);
    }
    show();
  });
}

document.addEventListener("keydown", (event) => {
  const input = document.querySelector("#filter, #search");
  if (!input || document.querySelector("dialog[open]")) return;
  if (event.key === "/" && document.activeElement !== input) { event.preventDefault(); input.focus(); input.select(); }
  else if (event.key === "Escape" && document.activeElement === input) { input.value = ""; input.dispatchEvent(new Event("input")); }
});
const table = document.querySelector("table.backtests");
if (table) setUpTable(table);
setUpGallery();
setUpSearch();
