// All charts of one report, over its project's page; the arrows go to the reports beside it.
"use strict";

const WIDE = 2.4;

function chartTitle(name) {
  const words = name.replace(/^\d+-/, "").replace(/\.\w+$/, "").replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function chart(directory, name) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const link = document.createElement("a");
  const image = document.createElement("img");
  caption.textContent = chartTitle(name);
  link.href = `${directory}/images/${encodeURIComponent(name)}`;
  image.alt = caption.textContent;
  image.loading = "lazy";
  image.addEventListener("load", () => {
    figure.classList.toggle("wide", image.naturalWidth > WIDE * image.naturalHeight);
  });
  image.src = link.href;
  link.append(image);
  figure.append(caption, link);
  return figure;
}

function figureText(figure, value) {
  const shown = { minimumFractionDigits: figure.digits, maximumFractionDigits: figure.digits };
  return value.toLocaleString("en-US", shown) + figure.unit;
}

function figureList(values) {
  return FIGURES.filter((figure) => values[figure.key] !== null).map((figure) => {
    const pair = document.createElement("div");
    const label = document.createElement("dt");
    const value = document.createElement("dd");
    label.textContent = figure.label;
    value.textContent = figureText(figure, values[figure.key]);
    pair.append(label, value);
    return pair;
  });
}

function setUpGallery(backtests) {
  const dialog = document.querySelector("#gallery");
  const part = (id) => document.querySelector(`#${id}`);
  let current = null;
  const withCharts = () => backtests.items.filter((item) => item.images.length && !item.row.hidden);

  const show = (item) => {
    const directory = item.row.dataset.directory;
    const beside = withCharts();
    const at = beside.indexOf(item);
    current = item;
    part("gallery-title").textContent = item.title;
    part("gallery-place").textContent = `${at + 1} of ${beside.length} · created ${item.dates.created || "at an unknown time"}`;
    part("open-report").href = `${directory}/offline.html`;
    part("open-served").href = `${directory}/report.html`;
    part("open-record").href = `${directory}/report.json`;
    part("previous").disabled = at <= 0;
    part("next").disabled = at >= beside.length - 1;
    part("gallery-figures").replaceChildren(...figureList(item.values));
    part("gallery-charts").replaceChildren(...item.images.map((name) => chart(directory, name)));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    part("gallery-title").focus();
  };
  const step = (way) => {
    const beside = withCharts();
    const item = beside[beside.indexOf(current) + way];
    if (item) show(item);
  };

  backtests.table.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) show(backtests.items.find((item) => item.row === button.closest("tr")));
  });
  part("previous").addEventListener("click", () => step(-1));
  part("next").addEventListener("click", () => step(1));
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
  });
  dialog.addEventListener("close", () => current.row.querySelector("button.open").focus());

  document.addEventListener("keydown", (event) => {
    if (dialog.open || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
    const way = event.key === "ArrowDown" ? 1 : -1;
    const buttons = withCharts().map((item) => item.row.querySelector("button.open"));
    const at = buttons.indexOf(document.activeElement);
    const fromFilter = document.activeElement === backtests.input && way > 0;
    if (at < 0 && !fromFilter) return;
    event.preventDefault();
    (buttons[at + way] ?? (way < 0 ? backtests.input : document.activeElement)).focus();
  });
}
