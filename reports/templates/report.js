// SPDX-License-Identifier: GPL-2.0-only
"use strict";
// The page is whole without this: it adds a filter, and hover texts that come at once.
(() => {
  const words = new WeakMap();
  const marks = document.querySelectorAll("g.mark");
  const tip = document.getElementById("tip");
  for (const mark of marks) {
    const title = mark.firstElementChild;
    if (title && title.tagName === "title") {
      words.set(mark, title.textContent);
      title.remove();
    }
  }
  const show = (event) => {
    const mark = event.target.closest ? event.target.closest("g.mark") : null;
    if (!mark || !words.has(mark)) {
      tip.hidden = true;
      return;
    }
    tip.textContent = words.get(mark);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const x = Math.min(event.clientX + 12, innerWidth - box.width - 8);
    const below = event.clientY + 16;
    tip.style.left = Math.max(4, x) + "px";
    tip.style.top = (below + box.height > innerHeight ? event.clientY - box.height - 10 : below) + "px";
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerleave", () => { tip.hidden = true; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

  const form = document.getElementById("filter");
  if (!form) return;
  const dims = ["kernel", "fs", "strategy"];
  const chosen = (dim) => {
    const boxes = [...form.querySelectorAll(`input[name="${dim}"]`)];
    return boxes.length ? new Set(boxes.filter((box) => box.checked).map((box) => box.value)) : null;
  };
  const items = [...document.querySelectorAll("[data-kernel], [data-fs], [data-strategy]")];
  const apply = () => {
    const sets = Object.fromEntries(dims.map((dim) => [dim, chosen(dim)]));
    for (const item of items) {
      const out = dims.some((dim) => sets[dim] && item.dataset[dim] !== undefined &&
        !item.dataset[dim].split("\n").some((name) => sets[dim].has(name)));
      if (item.classList.contains("mark")) item.classList.toggle("dim", out);
      else item.hidden = out;
    }
    const all = form.querySelectorAll("input").length === form.querySelectorAll("input:checked").length;
    document.getElementById("filtered").textContent = all ? "" : "(some of the page is hidden)";
  };
  form.hidden = false;
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply, 0));
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
})();
