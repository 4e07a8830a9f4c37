"use strict";
// Tells of each map which address is under the pointer or the slider, and who holds it. All it knows it reads from the page.
(() => {
  const number = (address) => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const dotted = (n) => [24, 16, 8, 0].map((shift) => Math.floor(n / 2 ** shift) % 256).join(".");

  // What the table of holders says of each address that it names.
  const read = (table) => {
    const known = new Map();
    const said = /(?:(VIP|task|load balancer|container|leaked|suspect|reserved) )?(\d+\.\d+\.\d+\.\d+)(?:–(\d+\.\d+\.\d+\.\d+))?(?: \(([^)]*)\))?/g;
    for (const row of table.querySelectorAll("tbody tr")) {
      const holder = row.cells[0].textContent;
      for (const [, word, first, last, more] of row.cells[1].textContent.matchAll(said)) {
        const kind = { VIP: "VIP of ", task: "task of " }[word] ?? "";
        const text = kind + holder + (more ? ` (${more})` : "");
        for (let n = number(first); n <= number(last ?? first); n++) {
          known.set(n, known.has(n) ? `${known.get(n)}; ${text}` : text);
        }
      }
    }
    return known;
  };

  const tables = new Map();
  const holders = (id) => {
    const table = document.getElementById(id);
    if (!tables.has(id)) tables.set(id, read(table));
    return tables.get(id);
  };

  const tip = document.createElement("p");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);

  for (const map of document.querySelectorAll("figure.map")) {
    const { first, table, rest } = map.dataset;
    const [columns, width, pitch, gutter] = ["columns", "width", "pitch", "gutter"].map((name) => Number(map.dataset[name]));
    const rows = [];
    let next = 0;
    for (const count of map.dataset.rows.trim().split(" ").map(Number)) {
      rows.push({ first: next, count });
      next += count;
    }
    const drawing = map.querySelector("svg");
    const mark = map.querySelector(".mark");
    const walk = map.querySelector(".walk");
    const slider = walk.querySelector("input");
    const output = walk.querySelector("output");
    walk.hidden = false;

    const tell = (offset) => {
      const n = number(first) + offset;
      return `${dotted(n)}: ${holders(table).get(n) ?? rest}`;
    };
    const show = (offset) => {
      const at = rows.findIndex((row) => offset < row.first + row.count);
      const whole = columns < rows[at].count;
      mark.setAttribute("x", gutter + (whole ? 0 : (offset - rows[at].first) * width));
      mark.setAttribute("y", at * pitch);
      mark.setAttribute("width", whole ? columns * width : width);
      mark.setAttribute("visibility", "visible");
    };
    const walked = () => {
      const text = tell(Number(slider.value));
      show(Number(slider.value));
      slider.setAttribute("aria-valuetext", text.split(":")[0]);
      output.textContent = text;
    };
    slider.addEventListener("input", walked);
    slider.addEventListener("focus", walked);

    // The address under the pointer; of rows that are drawn as one, the whole of them.
    const under = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
      const row = rows[Math.floor(point.y / pitch)];
      const column = Math.floor((point.x - gutter) / width);
      if (!row || column < 0 || columns <= column) return null;
      return columns < row.count ? row : row.count <= column ? null : { first: row.first + column, count: 1 };
    };
    drawing.addEventListener("pointermove", (event) => {
      const cell = under(event);
      tip.hidden = !cell;
      if (!cell) return;
      show(cell.first);
      const last = dotted(number(first) + cell.first + cell.count - 1);
      tip.textContent = cell.count === 1 ? tell(cell.first) : `${dotted(number(first) + cell.first)} to ${last}: ${rest}`;
      const right = window.innerWidth - tip.offsetWidth - 8;
      tip.style.left = `${Math.max(8, Math.min(event.clientX + 12, right)) + window.scrollX}px`;
      tip.style.top = `${event.clientY + 18 + window.scrollY}px`;
    });
    drawing.addEventListener("pointerleave", () => { tip.hidden = true; });
    drawing.addEventListener("click", (event) => {
      const cell = under(event);
      if (!cell) return;
      slider.value = cell.first;
      walked();
    });
  }
})();
