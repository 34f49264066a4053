// The controls of rankscope's `interact`, for anywidget: draws `controls`, writes `values`, shows `error`.
// A move raises `asked`; the kernel sets `answered` to it when what is shown belongs to these values.

const STYLE = `
.rankscope-controls { display: grid; grid-template-columns: max-content minmax(8em, 24em) max-content; gap: 6px 12px;
  align-items: center; font: 13px/1.4 system-ui, sans-serif; color: inherit; padding: 4px 0; }
.rankscope-controls label { text-align: right; }
.rankscope-controls output { font-variant-numeric: tabular-nums; min-width: 4em; }
.rankscope-controls input[type=range], .rankscope-controls input[type=text], .rankscope-controls select { width: 100%; }
.rankscope-controls svg { touch-action: none; cursor: crosshair; max-width: 100%; }
.rankscope-controls .rankscope-said { grid-column: 1 / -1; min-height: 1.4em; margin: 0; white-space: pre-wrap; }
.rankscope-controls .rankscope-said.error { color: #c62828; }
@media (prefers-color-scheme: dark) { .rankscope-controls .rankscope-said.error { color: #ff8a80; } }
`;
const PATIENCE = 300; // milliseconds before the controls say that they wait

const make = (name, attributes = {}) => Object.assign(document.createElement(name), attributes);

// Each draws a control into `cell`, calls `moved(value)`, and returns a function that shows a value.
const KINDS = {
  slider(control, cell, value, moved, id) {
    const input = make("input", { type: "range", id, min: control.min, max: control.max, step: control.step });
    const shown = make("output");
    const show = (value) => { input.value = value; shown.textContent = value; };
    input.addEventListener("input", () => { shown.textContent = input.value; moved(Number(input.value)); });
    input.addEventListener("dblclick", () => { show(control.value); moved(control.value); });
    input.title = `${control.min} to ${control.max}; double-click for ${control.value}`;
    cell.append(input);
    show(value);
    return [show, shown];
  },
  dropdown(control, cell, value, moved, id) {
    const select = make("select", { id });
    select.append(...control.options.map((option) => make("option", { textContent: option, value: option })));
    select.addEventListener("change", () => moved(select.value));
    cell.append(select);
    select.value = value;
    return [(value) => { select.value = value; }];
  },
  checkbox(control, cell, value, moved, id) {
    const input = make("input", { type: "checkbox", id, checked: value });
    input.addEventListener("change", () => moved(input.checked));
    cell.append(input);
    return [(value) => { input.checked = value; }];
  },
  text(control, cell, value, moved, id) {
    const input = make("input", { type: "text", id, value });
    input.addEventListener("input", () => moved(input.value));
    cell.append(input);
    return [(value) => { if (input.value !== value) input.value = value; }];
  },
  button(control, cell, value, moved, id) {
    let count = value;
    const button = make("button", { id, type: "button", textContent: control.label });
    button.addEventListener("click", () => moved(++count));
    cell.append(button);
    return [(value) => { count = value; }];
  },
  // Queries down, keys across; the mouse paints what the first cell becomes, arrows and space do the same by keyboard.
  mask(control, cell, value, moved, id) {
    const n = control.value.length, side = Math.max(6, Math.min(20, Math.floor(320 / n))), space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const set = (element, attributes) => { for (const name in attributes) element.setAttribute(name, attributes[name]); return element; };
    set(svg, { id, width: n * side, height: n * side, tabindex: 0, role: "application",
      "aria-label": `${control.label}: ${n} queries down, ${n} keys across; arrows move, space paints` });
    let rows = [...value], at = [0, 0], paints = null;
    const cells = rows.map((_, q) => [...Array(n).keys()].map((k) => {
      const rect = set(document.createElementNS(space, "rect"),
        { x: k * side, y: q * side, width: side - 1, height: side - 1 });
      svg.append(rect);
      return rect;
    }));
    const draw = () => cells.forEach((row, q) => row.forEach((rect, k) => set(rect, {
      fill: rows[q][k] === "1" ? "#3b7dd8" : "#88888833",
      stroke: document.activeElement === svg && at[0] === q && at[1] === k ? "currentColor" : "none" })));
    const paint = (q, k, to) => {
      if (q < 0 || k < 0 || q >= n || k >= n || rows[q][k] === to) return;
      rows[q] = rows[q].slice(0, k) + to + rows[q].slice(k + 1);
      draw();
      moved([...rows]);
    };
    const place = (event) => {
      const box = svg.getBoundingClientRect();
      return [event.clientY - box.top, event.clientX - box.left].map((x) => Math.floor(x * n / box.width));
    };
    svg.addEventListener("pointerdown", (event) => {
      const [q, k] = place(event);
      if (rows[q]?.[k] === undefined) return;
      at = [q, k];
      paints = rows[q][k] === "1" ? "0" : "1";
      svg.setPointerCapture(event.pointerId);
      paint(q, k, paints);
    });
    svg.addEventListener("pointermove", (event) => { if (paints !== null) paint(...place(event), paints); });
    svg.addEventListener("pointerup", () => { paints = null; });
    svg.addEventListener("focus", draw);
    svg.addEventListener("blur", draw);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (step) at = at.map((x, i) => Math.max(0, Math.min(n - 1, x + step[i])));
      else if (event.key === " ") paint(...at, rows[at[0]][at[1]] === "1" ? "0" : "1");
      else return;
      event.preventDefault();
      draw();
    });
    cell.append(svg);
    draw();
    return [(value) => { rows = [...value]; draw(); }];
  },
};

function render({ model, el }) {
  el.append(make("style", { textContent: STYLE }));
  const box = make("div", { className: "rankscope-controls" });
  const said = make("p", { className: "rankscope-said" });
  said.setAttribute("role", "status");
  let values = [...model.get("values")], timer = null;

  const say = () => {
    const error = model.get("error"), waits = model.get("answered") < model.get("asked");
    said.classList.toggle("error", !waits && error !== "");
    said.textContent = waits ? "Waits for the cell that is running." : error;
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(say, PATIENCE); };
  const moved = (index) => (value) => {
    values = values.with(index, value);
    model.set("values", values);
    model.set("asked", model.get("asked") + 1);
    model.save_changes();
    later();
  };

  const shows = model.get("controls").map((control, index) => {
    const id = `rankscope-${Math.random().toString(36).slice(2)}`;
    const label = make("label", { textContent: control.kind === "button" ? "" : control.label, htmlFor: id });
    const cell = make("div");
    const [show, shown = make("span")] = KINDS[control.kind](control, cell, values[index], moved(index), id);
    box.append(label, cell, shown);
    return show;
  });
  box.append(said);
  el.append(box);

  const refreshed = () => {
    values = [...model.get("values")];
    shows.forEach((show, index) => show(values[index]));
  };
  const answered = () => { clearTimeout(timer); say(); if (model.get("answered") < model.get("asked")) later(); };
  // A page that was loaded again no longer knows the output below as one that is updated.
  const shown = () => {
    const output = document.querySelector(`[data-rankscope="${model.get("name")}"]`);
    if (output && model.get("shown") !== null) output.innerHTML = model.get("shown");
  };
  model.on("change:shown", shown);
  // Another front end may have moved a control.
  model.on("change:values", refreshed);
  model.on("change:answered", answered);
  model.on("change:error", answered);
  say();
  return () => {
    clearTimeout(timer);
    model.off("change:shown", shown);
    model.off("change:values", refreshed);
    model.off("change:answered", answered);
    model.off("change:error", answered);
  };
}

export default { render };
