"use strict";
// A table of class `sorts`: a click on a heading sorts its rows, another one turns them round. Cells without a value
// stay below, and rows of equal values in their order.
const compare = (a, b) => {
  const [x, y] = [a, b].map((text) => Number.parseFloat(text.replaceAll(",", "")));
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
};
const sort = (table, column, compareCells, direction) => {
  const body = table.tBodies[0];
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const rows = [...body.rows].map((row) => [value(row), row]);
  rows.sort(([a], [b]) => (a === "") - (b === "") || direction * compareCells(a, b));
  body.append(...rows.map(([, row]) => row));
};
for (const table of document.querySelectorAll("table.sorts")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const named = head.classList.contains("name"); // numbers begin with the largest
      const first = named ? "ascending" : "descending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      sort(table, column, named ? (a, b) => a.localeCompare(b) : compare, order === "ascending" ? 1 : -1);
    });
  });
}
