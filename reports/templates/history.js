// SPDX-License-Identifier: GPL-2.0-only
"use strict";
// The page is whole without this: it adds the filter.
(() => {
  const form = document.getElementById("filter");
  const items = [...document.querySelectorAll("[data-kernel]")];
  const figures = items.filter((item) => item.tagName === "FIGURE");
  const apply = () => {
    const wanted = new FormData(form);
    for (const item of items) {
      item.hidden = ["kernel", "fs", "strategy"].some((dim) =>
        wanted.get(dim) && item.dataset[dim] !== wanted.get(dim)) ||
        (wanted.has("changed") && !("changed" in item.dataset));
    }
    const shown = figures.filter((item) => !item.hidden).length;
    document.getElementById("shown").textContent = `${shown} of ${figures.length} shown`;
  };
  form.hidden = false;
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply, 0));
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
})();
