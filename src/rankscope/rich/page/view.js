// What displays of rankscope do in a page: numbers of cells under pointer and arrow keys, linked cursors, states behind a
// slider or tabs, guesses, a wall of heads. Elements of its own, defined once in a page, whatever brings them in.
(() => {
  if (customElements.get("rankscope-cells")) return;

  const make = (name, attributes = {}, ...inside) => {
    const element = document.createElement(name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    element.append(...inside);
    return element;
  };
  const bytes = (base64) => Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0)).buffer;
  // As the library writes numbers: three digits.
  const short = (x) => {
    if (Number.isNaN(x)) return "–";
    const size = Math.abs(x);
    return x === 0 ? "0" : size < 1e-3 || size >= 1e4 ? x.toExponential(2) : x.toPrecision(3);
  };
  const named = (word, labels, i) => labels[i] === String(i) ? `${word} ${i}` : `${word} ${i} “${labels[i]}”`;
  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  class View extends HTMLElement {
    connectedCallback() {
      if (this.isStarted) return;
      this.isStarted = true;
      // While a page loads, what is inside comes later.
      if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.start(), { once: true });
      else queueMicrotask(() => this.start());
    }
  }

  // A picture whose numbers it tells, where the pointer or a cursor is that the arrow keys move.
  class Picture extends View {
    start(rest, cursor) {
      Object.assign(this, JSON.parse(this.dataset.about));
      this.values ??= new Float32Array(bytes(this.dataset.values));
      const stage = this.querySelector(".rankscope-picture"), svg = stage.querySelector("svg");
      // The picture takes the focus in place of the frame that it can be moved in.
      stage.parentElement.removeAttribute("tabindex");
      stage.setAttribute("tabindex", "0");
      stage.setAttribute("role", "application");
      stage.setAttribute("aria-label", `${stage.getAttribute("aria-label")}. ${rest}`);
      this.cursor = document.createElementNS("http://www.w3.org/2000/svg", cursor);
      this.cursor.setAttribute("class", "rankscope-cursor");
      svg.append(this.cursor);
      this.output = make("output", {}, rest);
      stage.parentElement.after(this.output);
      svg.addEventListener("pointermove", (event) => {
        const box = svg.getBoundingClientRect(), [width, height] = this.size;
        this.point((event.clientX - box.left) * width / box.width, (event.clientY - box.top) * height / box.height);
      });
      stage.addEventListener("keydown", (event) => {
        const step = ARROWS[event.key];
        if (!step) return;
        event.preventDefault();
        this.output.setAttribute("aria-live", "polite");
        this.step(...step);
      });
    }
    tell(place, words) {
      for (const key in place) this.cursor.setAttribute(key, place[key]);
      this.output.textContent = words;
    }
  }
  const clamp = (i, n) => Math.max(0, Math.min(n - 1, i));

  // A picture of cells.
  customElements.define("rankscope-cells", class extends Picture {
    start() {
      super.start("Point at a cell, or use the arrow keys.", "rect");
      const table = make("details", {}, make("summary", {}, "Numbers"));
      table.addEventListener("toggle", () => { if (table.open && !table.querySelector("table")) table.append(this.table()); });
      this.append(table);
      this.numbers = table;
    }
    point(across, down) {
      const [x, y, w, h] = this.area;
      const [row, col] = [(down - y) / h * this.rows.length, (across - x) / w * this.cols.length].map(Math.floor);
      if (row >= 0 && col >= 0 && row < this.rows.length && col < this.cols.length) this.move(row, col);
    }
    step(down, across) {
      const [row, col] = this.at ?? [-down, -across];
      this.move(clamp(row + down, this.rows.length), clamp(col + across, this.cols.length));
    }
    value(row, col) { return this.values[row * this.cols.length + col]; }
    move(row, col) {
      this.show(row, col);
      this.dispatchEvent(new CustomEvent("rankscope-at", { bubbles: true, detail: [row, col] }));
    }
    show(row, col) {
      if (row >= this.rows.length || col >= this.cols.length) return;
      this.at = [row, col];
      const [x, y, w, h] = this.area, [cw, ch] = [w / this.cols.length, h / this.rows.length];
      const [down, across, unit] = this.words;
      const value = this.value(row, col), told = Number.isNaN(value) ? "hatched, no number" : `${unit} ${short(value)}`;
      this.tell({ x: x + col * cw, y: y + row * ch, width: cw, height: ch },
        `${named(down, this.rows, row)}, ${named(across, this.cols, col)}: ${told}`);
    }
    table() {
      const head = make("tr", {}, make("td"), ...this.cols.map((col) => make("th", { scope: "col" }, col)));
      const body = this.rows.map((name, row) => make("tr", {}, make("th", { scope: "row" }, name),
        ...this.cols.map((_, col) => make("td", {}, short(this.value(row, col))))));
      return make("table", { tabindex: "0" }, make("thead", {}, head), make("tbody", {}, ...body));
    }
    // Other numbers in the same picture; `images` are for the light theme and the dark one.
    become(values, label, images) {
      this.values = values;
      this.querySelectorAll("svg image").forEach((image, i) => { if (i < 2) image.setAttribute("href", images[i]); });
      this.querySelector(".rankscope-picture").setAttribute("aria-label", `${label}. Use the arrow keys.`);
      this.numbers.querySelector("table")?.remove();
      this.numbers.open = false;
      if (this.at) this.show(...this.at);
      else this.output.textContent = label;
    }
  });

  // Curves: the point nearest to the pointer.
  customElements.define("rankscope-curves", class extends Picture {
    start() {
      super.start("Point at a curve, or use the arrow keys.", "circle");
      let from = 0;
      this.points = this.curves.map(([, count]) => Array.from({ length: count }, () => {
        const [x, y, spread, across, down] = this.values.subarray(from, from += 5);
        return { x, y, spread, across, down };
      }));
    }
    // The place in `points` of the one for which `distance` is least.
    nearest(points, distance) {
      return points.reduce((best, point, i) => distance(point) < distance(points[best]) ? i : best, 0);
    }
    point(across, down) {
      const distance = (point) => Math.hypot(point.across - across, point.down - down);
      const each = this.points.map((points) => this.nearest(points, distance));
      const curve = this.nearest(each.map((i, curve) => this.points[curve][i]), (point) => point ? distance(point) : Infinity);
      this.show(curve, each[curve]);
    }
    // Along the curve, or to the next curve where that is nearest.
    step(down, along) {
      if (!this.at) return this.show(0, 0);
      const [curve, i] = this.at, next = clamp(curve + down, this.points.length), here = this.points[curve][i];
      if (down) return this.show(next, this.nearest(this.points[next], (point) => Math.abs(point.across - here.across)));
      this.show(curve, clamp(i + along, this.points[curve].length));
    }
    show(curve, i) {
      const point = this.points[curve][i];
      if (!point) return;
      this.at = [curve, i];
      const [across, up] = this.labels, { x, y, spread } = point;
      const whole = Number.isInteger(x) && Math.abs(x) < 1e6 ? x : short(x), more = Number.isNaN(spread) ? "" : ` ± ${short(spread)}`;
      this.tell({ cx: point.across, cy: point.down, r: 7 }, `${this.curves[curve][0]}: ${across} ${whole}, ${up} ${short(y)}${more}`);
    }
  });

  // Pictures side by side whose cursors go together.
  customElements.define("rankscope-linked", class extends View {
    start() {
      this.addEventListener("rankscope-at", (event) => this.querySelectorAll("rankscope-cells").forEach((cells) => {
        if (cells !== event.target) cells.show?.(...event.detail);
      }));
    }
  });

  // States that were computed before, one of which is shown: behind a slider or tabs.
  customElements.define("rankscope-states", class extends View {
    start() {
      const states = [...this.children], name = this.dataset.name, labels = states.map((state) => state.dataset.label);
      const control = this.dataset.kind === "tabs" ? this.tabs(states, labels, name) : this.slider(states, labels, name);
      this.prepend(control);
    }
    choose(states, chosen) { states.forEach((state, i) => { state.hidden = i !== chosen; }); }
    slider(states, labels, name) {
      const id = `rankscope-${Math.random().toString(36).slice(2)}`;
      const input = make("input", { type: "range", id, min: 0, max: states.length - 1, value: 0, "aria-valuetext": labels[0] });
      const shown = make("span", {}, labels[0]);
      input.addEventListener("input", () => {
        this.choose(states, Number(input.value));
        input.setAttribute("aria-valuetext", labels[input.value]);
        shown.textContent = labels[input.value];
      });
      return make("div", { class: "rankscope-control" }, make("label", { for: id }, name), input, shown);
    }
    tabs(states, labels, name) {
      const buttons = labels.map((label, i) => make("button", { type: "button", role: "tab", "aria-selected": i === 0, tabindex: i ? -1 : 0 }, label));
      const choose = (chosen) => {
        this.choose(states, chosen);
        buttons.forEach((button, i) => { button.setAttribute("aria-selected", i === chosen); button.tabIndex = i === chosen ? 0 : -1; });
      };
      states.forEach((state, i) => { state.setAttribute("role", "tabpanel"); state.setAttribute("aria-label", labels[i]); });
      const list = make("div", { class: "rankscope-control", role: "tablist", "aria-label": name }, ...buttons);
      list.addEventListener("click", (event) => { const i = buttons.indexOf(event.target); if (i >= 0) choose(i); });
      list.addEventListener("keydown", (event) => {
        const step = ARROWS[event.key]?.[1];
        if (!step) return;
        const next = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
        choose(next);
        buttons[next].focus();
      });
      return list;
    }
  });

  // A question: the answer is shown after a guess, and the guess stays.
  customElements.define("rankscope-guess", class extends View {
    start() {
      const { question, options } = JSON.parse(this.dataset.about), answer = this.querySelector("details");
      const key = `rankscope guess: ${question}`, name = `rankscope-${Math.random().toString(36).slice(2)}`;
      const kept = (() => { try { return localStorage.getItem(key); } catch { return null; } })();
      const field = make("fieldset", {}, make("legend", {}, question));
      const inputs = options.map((option) => make("input", { type: "radio", name, value: option }));
      const text = make("input", { type: "text", "aria-label": "your guess" });
      field.append(...(options.length ? inputs.map((input, i) => make("label", {}, input, ` ${options[i]}`)) : [text]));
      const button = make("button", { type: "button" }, "That is my guess: show the answer");
      const said = make("output");
      const reveal = (guess) => {
        [...inputs, text].forEach((input) => { input.disabled = true; if (input.value === guess) input.checked = true; });
        text.value = guess;
        button.textContent = "Guess again";
        said.textContent = `Your guess: ${guess}`;
        answer.hidden = false;
        answer.open = true;
      };
      button.addEventListener("click", () => {
        if (!answer.hidden) {
          [...inputs, text].forEach((input) => { input.disabled = false; input.checked = false; });
          answer.hidden = true;
          said.textContent = "";
          button.textContent = "That is my guess: show the answer";
          return;
        }
        const guess = options.length ? inputs.find((input) => input.checked)?.value : text.value.trim();
        if (!guess) { said.textContent = "Make a guess first; a wrong one teaches more than none."; return; }
        try { localStorage.setItem(key, guess); } catch { /* It then stays until the page is closed. */ }
        reveal(guess);
      });
      this.querySelector("p").replaceWith(field);
      field.append(button, said);
      answer.hidden = true;
      if (kept) reveal(kept);
    }
  });

  // Layers by heads: a small picture of each, and one of them large.
  customElements.define("rankscope-wall", class extends View {
    start() {
      const { maps, sizes, top } = JSON.parse(this.dataset.about);
      const colors = maps.map((map) => map.match(/.{6}/g).map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16))));
      const heads = [...this.querySelectorAll("button[data-values]")], large = [...this.querySelectorAll("rankscope-cells")];
      const values = (head) => head.numbers ??= Float32Array.from(new Uint16Array(bytes(head.dataset.values)),
        (code) => code === 65535 ? NaN : code ? Math.exp((code - 65534) / 3276) : 0);
      const paint = (canvas, head, map) => {
        const [rows, cols] = sizes[head.dataset.size];
        Object.assign(canvas, { width: cols, height: rows });
        const context = canvas.getContext("2d"), image = context.createImageData(cols, rows);
        // What has no number stays transparent: a hatch lies below.
        values(head).forEach((value, i) => {
          if (value >= 0) image.data.set([...map[Math.min(255, Math.round(value / top * 255))], 255], 4 * i);
        });
        context.putImageData(image, 0, 0);
        return canvas;
      };
      const choose = (head) => {
        heads.forEach((other) => { other.setAttribute("aria-pressed", other === head); other.tabIndex = other === head ? 0 : -1; });
        large.forEach((cells, size) => { cells.hidden = size !== Number(head.dataset.size); });
        const cells = large[head.dataset.size];
        cells.become(values(head), head.getAttribute("aria-label"), colors.map((map) => paint(document.createElement("canvas"), head, map).toDataURL()));
      };
      heads.forEach((head) => head.prepend(...colors.map((map, dark) =>
        paint(make("canvas", { class: dark ? "on-dark" : "on-light", "aria-hidden": "true" }), head, map))));
      const columns = Number(this.dataset.columns);
      this.addEventListener("click", (event) => { const head = event.target.closest("button[data-values]"); if (head) choose(head); });
      this.querySelector(".rankscope-heads").addEventListener("keydown", (event) => {
        const step = ARROWS[event.key];
        if (!step) return;
        event.preventDefault();
        const next = heads[heads.indexOf(document.activeElement) + step[0] * columns + step[1]];
        if (next) { choose(next); next.focus(); }
      });
      // The large pictures start before or after this.
      setTimeout(() => choose(heads[0]));
    }
  });
})();
