"use strict";
// The widgets of the book. Each stands in a <div class="widget" data-widget="…"> with the library's numbers as JSON inside.
// A number that is shown stands in a table as well, to all its digits in data-value.
{
    const minus = (text) => text.replace(/-/g, "−");
    const raised = (power) => [...String(power)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
    // Three significant digits, as everywhere in the book.
    const short = (value) => {
        if (value === 0) return "0";
        const [digits, power] = value.toExponential(2).split("e");
        if (power < -3 || power > 3) return minus(digits) + " × 10" + raised(Number(power));
        return minus(value.toFixed(Math.max(0, 2 - power)));
    };
    const isDark = () => document.documentElement.classList.contains("navy");
    const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

    // A table of numbers: a head, and rows of a name and values.
    const table = (caption, head, rows) => {
        const cell = (value) =>
            typeof value === "number" ? `<td data-value="${value}">${short(value)}</td>` : `<td>${escape(value)}</td>`;
        return (
            `<div class="scroll" tabindex="0" role="group" aria-label="${caption}"><table class="numbers"><caption>${caption}</caption><thead><tr>` +
            head.map((name) => `<th scope="col">${escape(name)}</th>`).join("") +
            `</tr></thead><tbody>` +
            rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("") +
            `</tbody></table></div>`
        );
    };

    // The colour of a share of the way along a map of the library's colours.
    const color = (map, share) => {
        const at = Math.min(Math.max(share, 0), 1) * (map.length - 1);
        const [low, high] = [map[Math.floor(at)], map[Math.ceil(at)]];
        return `rgb(${low.map((c, i) => Math.round(c + (high[i] - c) * (at % 1))).join(",")})`;
    };

    let patterns = 0;
    // A map of cells; those without a value are hatched.
    const cells = (label, values, paint, side, mark) => {
        const id = `hatch-${patterns++}`;
        const [rows, columns] = [values.length, values[0].length];
        const [left, top] = [42, 30];
        const box = (t, s, fill) => `<rect x="${left + s * side}" y="${top + t * side}" width="${side}" height="${side}" fill="${fill}"/>`;
        const body = values.flatMap((row, t) => row.map((value, s) => box(t, s, value === null ? `url(#${id})` : paint(value))));
        const cursor = mark ? `<rect class="cursor" x="${left + mark[1] * side}" y="${top + mark[0] * side}" width="${side}" height="${side}"/>` : "";
        return (
            `<svg viewBox="0 0 ${left + columns * side + 8} ${top + rows * side + 8}" width="${left + columns * side + 8}" role="img" aria-label="${escape(label)}">` +
            `<defs><pattern id="${id}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line y2="6" stroke="currentColor" stroke-opacity="0.35"/></pattern></defs>` +
            `<text class="muted" x="${left}" y="18">keys →</text><text class="muted" transform="translate(28 ${top}) rotate(90)">queries →</text>` +
            body.join("") + cursor + `</svg>`
        );
    };

    // Singular values relative to the largest on a logarithmic axis, with the tolerances of f32 and f64.
    const spectrum = (label, values, stroke) => {
        const [width, height, left, bottom, lowest] = [380, 280, 52, 34, -18];
        const x = (i) => left + ((i + 0.5) / values.length) * (width - left - 8);
        const y = (value) => 8 + (Math.max(value > 0 ? Math.log10(value) : lowest, lowest) / lowest) * (height - bottom - 16);
        const level = (name, value) =>
            `<line class="level" x1="${left}" x2="${width - 8}" y1="${y(value)}" y2="${y(value)}"/><text class="muted" x="${left + 4}" y="${y(value) - 4}">${name} tolerance</text>`;
        const ticks = [0, -4, -8, -12, -16].map((power) => `<text class="muted" x="${left - 6}" y="${y(10 ** power) + 4}" text-anchor="end">10${raised(power)}</text>`);
        const points = values.map((value, i) => [x(i), y(value / values[0])]);
        return (
            `<svg viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="${escape(label)}">` +
            `<path class="axis" d="M${left} 4V${height - bottom}H${width - 8}"/>` + ticks.join("") +
            `<text class="muted" x="${(left + width) / 2}" y="${height - 8}" text-anchor="middle">index i of σᵢ / σ₁</text>` +
            Object.entries(Matrix.epsilon).map(([name, epsilon]) => level(name, values.length * epsilon)).join("") +
            `<polyline class="curve" stroke="${stroke}" points="${points.map((point) => point.join()).join(" ")}"/>` +
            points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="4" fill="${stroke}"/>`).join("") + `</svg>`
        );
    };

    // Weights, spectrum and ranks of scores under a mask, into the parts of a widget.
    const showWeights = (widget, data, scores, may, name, stroke) => {
        const weights = Matrix.softmax(scores, may);
        const values = Matrix.singularValues(weights);
        const ranks = [
            ["numerical rank, f32", Matrix.numericalRank(values, Matrix.epsilon.f32)],
            ["numerical rank, f64", Matrix.numericalRank(values, Matrix.epsilon.f64)],
            ["effective rank", Matrix.effectiveRank(values)],
            ["σ₁", values[0]],
            ["σ_min", values[values.length - 1]],
        ];
        const map = data.amounts[isDark() ? "dark" : "light"];
        const most = Math.max(...weights.flat());
        const shown = weights.map((row, t) => row.map((weight, s) => (may(t, s) ? weight : null)));
        const n = weights.length;
        const part = (selector) => widget.querySelector(selector);
        part(".weights").innerHTML = cells(`Weights under ${name}: ${n} queries down, ${n} keys across; hatched where a query may not attend`, shown, (weight) => color(map, weight / most), Math.floor(272 / n));
        part(".spectrum").innerHTML = spectrum(`Singular values under ${name}, the largest first; those in the table below`, values, stroke);
        part(".ranks").textContent = `Of ${n} directions f32 sees ${ranks[0][1]} and f64 ${ranks[1][1]}; effective rank ${short(ranks[2][1])}, smallest singular value ${short(values[n - 1])}.`;
        part(".table").innerHTML =
            table("Ranks", ["what", "value"], ranks) +
            table("Singular values", ["i", "σᵢ"], values.map((value, i) => [String(i + 1), value])) +
            table("Weights", ["query, key", ...weights.map((_, s) => String(s + 1))], shown.map((row, t) => [String(t + 1), ...row.map((weight) => weight ?? "–")]));
    };

    const views = `<div class="views"><div><p class="title">Weights</p><div class="weights"></div></div><div><p class="title">Singular values</p><div class="spectrum"></div></div></div><p class="ranks" aria-live="polite"></p><details><summary>Numbers</summary><div class="table"></div></details>`;

    // A slider with its value beside it.
    const slider = (name, label, [low, high, step, value]) =>
        `<label>${label} <input type="range" name="${name}" min="${low}" max="${high}" step="${step}" value="${value}"> <output>${value}</output></label>`;

    // Calls `show` when a control is moved and when the theme changes, and once now.
    const follow = (widget, show) => {
        const update = () => {
            for (const input of widget.querySelectorAll("input[type=range]")) {
                input.nextElementSibling.textContent = input.dataset.names ? input.dataset.names.split("|")[input.value] : minus(input.value);
                input.setAttribute("aria-valuetext", input.nextElementSibling.textContent);
            }
            show();
        };
        widget.addEventListener("input", update);
        new MutationObserver(update).observe(document.documentElement, { attributeFilter: ["class"] });
        update();
        return update;
    };

    const scaled = (scores, scale) => scores.map((row) => row.map((score) => score * scale));

    const widgets = {
        // How far the prefix reaches: 0 is causal, n bidirectional.
        prefix(widget, data) {
            const sizes = Object.keys(data.scores);
            widget.innerHTML =
                `<p class="title">Move the prefix from causal (0) to bidirectional (${data.n})</p><div class="controls">` +
                slider("prefix", "prefix", [0, data.n, 1, 0]) +
                `<label>head size D <select name="size">${sizes.map((size) => `<option>${size}</option>`).join("")}</select></label>` +
                slider("scale", "logit scale", [0, 8, 0.25, 1]) + `</div>` + views;
            const control = (name) => widget.querySelector(`[name=${name}]`);
            follow(widget, () => {
                const prefix = Number(control("prefix").value);
                const scores = scaled(data.scores[control("size").value], Number(control("scale").value));
                const kind = prefix === 0 ? "causal" : prefix === data.n ? "bidirectional" : "prefix";
                showWeights(widget, data, scores, (t, s) => s <= t || s < prefix, kind === "prefix" ? `prefix(${prefix})` : kind, data.kinds[kind]);
            });
        },

        // A mask that is painted cell by cell.
        mask(widget, data) {
            const n = data.n;
            const presets = {
                causal: (t, s) => s <= t,
                bidirectional: () => true,
                "prefix(4)": (t, s) => s <= t || s < 4,
                "window(3)": (t, s) => s <= t && t - s < 3,
                diagonal: (t, s) => s === t,
                nothing: () => false,
            };
            let may = Array.from({ length: n }, (_, t) => Array.from({ length: n }, (_, s) => presets.causal(t, s)));
            const head = `<tr><td></td>${may.map((_, s) => `<th scope="col">${s + 1}</th>`).join("")}</tr>`;
            const row = (_, t) =>
                `<tr><th scope="row">${t + 1}</th>${may.map((_, s) => `<td><button type="button" data-t="${t}" data-s="${s}" tabindex="${t + s ? -1 : 0}" aria-label="query ${t + 1} may attend to key ${s + 1}"></button></td>`).join("")}</tr>`;
            widget.innerHTML =
                `<p class="title">Paint who may attend to whom</p><p>Click a cell, or go there with the arrow keys and press space. Rows are queries, columns are keys.</p>` +
                `<div class="controls"><label>start from <select name="preset">${Object.keys(presets).map((name) => `<option>${name}</option>`).join("")}</select></label>` +
                slider("scale", "logit scale", [0, 8, 0.25, 1]) + `</div>` +
                `<div class="scroll" tabindex="-1"><table class="paint"><thead>${head}</thead><tbody>${may.map(row).join("")}</tbody></table></div>` + views;
            const buttons = [...widget.querySelectorAll(".paint button")];
            const update = follow(widget, () => {
                buttons.forEach((button) => button.setAttribute("aria-pressed", may[button.dataset.t][button.dataset.s]));
                const scores = scaled(data.scores, Number(widget.querySelector("[name=scale]").value));
                showWeights(widget, data, scores, (t, s) => may[t][s], "the painted mask", data.kinds.custom);
            });
            widget.querySelector("[name=preset]").addEventListener("change", (event) => {
                may = may.map((row, t) => row.map((_, s) => presets[event.target.value](t, s)));
                update();
            });
            widget.querySelector(".paint").addEventListener("click", ({ target }) => {
                if (!target.dataset.t) return;
                const [t, s] = [target.dataset.t, target.dataset.s];
                may[t][s] = !may[t][s];
                goTo(target);
                update();
            });
            const goTo = (button) => {
                buttons.forEach((other) => (other.tabIndex = other === button ? 0 : -1));
                button.focus();
            };
            widget.querySelector(".paint").addEventListener("keydown", (event) => {
                const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
                if (!step || !event.target.dataset.t) return;
                // mdBook turns the page with the same keys.
                event.preventDefault();
                event.stopPropagation();
                const [t, s] = [Number(event.target.dataset.t) + step[0], Number(event.target.dataset.s) + step[1]];
                if (t >= 0 && s >= 0 && t < n && s < n) goTo(buttons[t * n + s]);
            });
        },

        // Which mask has the higher effective rank, point by point.
        "phase-map"(widget, data) {
            const { sizes, scales, points } = data;
            widget.innerHTML =
                `<p class="title">Which mask has the higher effective rank?</p><div class="controls">` +
                `<label>head size D <input type="range" name="size" min="0" max="${sizes.length - 1}" value="2" data-names="${sizes.join("|")}"> <output></output></label>` +
                `<label>logit scale <input type="range" name="scale" min="0" max="${scales.length - 1}" value="3" data-names="${scales.join("|")}"> <output></output></label></div>` +
                `<div class="views"><div class="map"></div></div><p class="ranks" aria-live="polite"></p><details><summary>Numbers</summary><div class="table"></div></details>`;
            const most = Math.max(...points.flat().map((point) => Math.abs(point.causal - point.bidirectional)));
            follow(widget, () => {
                const [at, scale] = ["size", "scale"].map((name) => Number(widget.querySelector(`[name=${name}]`).value));
                const map = data.differences[isDark() ? "dark" : "light"];
                const differences = points.map((row) => row.map((point) => point.causal - point.bidirectional));
                widget.querySelector(".map").innerHTML = grid(sizes, scales, differences, (value) => color(map, 0.5 + value / most / 2), [scale, at]);
                const point = points[scale][at];
                const ahead = { causal: "causal is ahead", bidirectional: "bidirectional is ahead", neither: "the draws do not tell" }[point.ahead];
                widget.querySelector(".ranks").textContent = `D = ${sizes[at]}, logit scale ${scales[scale]}: effective rank ${short(point.causal)} causal, ${short(point.bidirectional)} bidirectional, of ${data.n}; ${ahead}.`;
            });
            widget.querySelector(".table").innerHTML = table(
                "Effective ranks, causal and bidirectional",
                ["D", "logit scale", "causal", "bidirectional", "ahead"],
                points.flatMap((row, scale) => row.map((point, at) => [String(sizes[at]), String(scales[scale]), point.causal, point.bidirectional, point.ahead])),
            );
        },

        // Layer by layer, how much of the tokens' differences is left.
        collapse(widget, data) {
            const masks = Object.keys(data.ratios);
            const last = data.layers;
            widget.innerHTML =
                `<p class="title">Step through the layers</p><div class="controls"><button type="button" name="back">one layer back</button><button type="button" name="on">one layer on</button>` +
                slider("layer", "layer", [0, last, 1, 0]) +
                `<label>network <select name="net">${Object.keys(data.ratios[masks[0]]).map((net) => `<option>${net}</option>`).join("")}</select></label></div>` +
                `<div class="views"><div class="chart"></div></div><p class="ranks" aria-live="polite"></p><details><summary>Numbers</summary><div class="table"></div></details>`;
            const control = (name) => widget.querySelector(`[name=${name}]`);
            const update = follow(widget, () => {
                const [layer, net] = [Number(control("layer").value), control("net").value];
                widget.querySelector(".chart").innerHTML = chart(data, masks, net, layer);
                widget.querySelector(".ranks").textContent =
                    `After layer ${layer} of ${last}, of ‖res(X)‖ / ‖X‖ is left: ` + masks.map((mask) => `${short(10 ** data.ratios[mask][net][layer])} (${mask})`).join(", ") + ".";
                widget.querySelector(".table").innerHTML = table(
                    "What is left after each layer",
                    ["layer", ...masks],
                    Array.from({ length: last + 1 }, (_, l) => [String(l), ...masks.map((mask) => 10 ** data.ratios[mask][net][l])]),
                );
            });
            for (const [name, step] of [["back", -1], ["on", 1]]) {
                control(name).addEventListener("click", () => {
                    control("layer").value = Number(control("layer").value) + step;
                    update();
                });
            }
        },
    };

    // Cells over two named axes, the first row at the bottom.
    const grid = (columns, rows, values, paint, [row, column]) => {
        const [side, left] = [44, 60];
        const height = rows.length * side;
        const y = (r) => 8 + height - (r + 1) * side;
        const boxes = values.flatMap((line, r) => line.map((value, c) => `<rect x="${left + c * side}" y="${y(r)}" width="${side}" height="${side}" fill="${paint(value)}"/>`));
        const names = rows.map((name, r) => `<text x="${left - 8}" y="${y(r) + side / 2 + 4}" text-anchor="end">${name}</text>`);
        const below = columns.map((name, c) => `<text x="${left + (c + 0.5) * side}" y="${height + 26}" text-anchor="middle">${name}</text>`);
        return (
            `<svg viewBox="0 0 ${left + columns.length * side + 8} ${height + 52}" width="${left + columns.length * side + 8}" role="img" aria-label="Effective rank, causal minus bidirectional, over head size (across) and logit scale (upwards); the numbers stand in the table below">` +
            boxes.join("") + names.join("") + below.join("") +
            `<text class="muted" x="${left + (columns.length * side) / 2}" y="${height + 46}" text-anchor="middle">head size D</text><text class="muted" transform="translate(16 ${height / 2}) rotate(-90)" text-anchor="middle">logit scale</text>` +
            `<rect class="cursor" x="${left + column * side}" y="${y(row)}" width="${side}" height="${side}"/></svg>`
        );
    };

    // What is left after each layer up to `layer`, on a logarithmic axis.
    const chart = (data, masks, net, layer) => {
        const [width, height, left, bottom, lowest] = [560, 300, 52, 36, -16];
        const x = (l) => left + 10 + (l / data.layers) * (width - left - 130);
        const y = (log) => 12 + (Math.max(log, lowest) / lowest) * (height - bottom - 20);
        const curve = (mask) => {
            const logs = data.ratios[mask][net].slice(0, layer + 1);
            const stroke = data.kinds[mask];
            return (
                `<polyline class="curve" stroke="${stroke}" points="${logs.map((log, l) => `${x(l)},${y(log)}`).join(" ")}"/>` +
                logs.map((log, l) => `<circle cx="${x(l)}" cy="${y(log)}" r="4" fill="${stroke}"/>`).join("")
            );
        };
        // Names beside the last points, apart from each other.
        const ends = masks.map((mask) => [mask, y(data.ratios[mask][net][layer]) + 4]).sort((a, b) => a[1] - b[1]);
        ends.forEach((end, i) => i && (end[1] = Math.max(end[1], ends[i - 1][1] + 15)));
        const ticks = [0, -4, -8, -12, -16].map((power) => `<text class="muted" x="${left - 6}" y="${y(power) + 4}" text-anchor="end">10${raised(power)}</text>`);
        return (
            `<svg viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="What is left of the differences between tokens after each layer, up to layer ${layer}; the numbers stand in the table below">` +
            `<path class="axis" d="M${left} 4V${height - bottom}H${width - 110}"/>` + ticks.join("") +
            `<text class="muted" x="${(left + width - 110) / 2}" y="${height - 8}" text-anchor="middle">layer, 0 to ${data.layers}</text>` +
            masks.map(curve).join("") + ends.map(([mask, at]) => `<text x="${x(layer) + 10}" y="${at}">${mask}</text>`).join("") + `</svg>`
        );
    };

    for (const widget of document.querySelectorAll(".widget")) {
        const data = JSON.parse(widget.querySelector("script").textContent);
        const note = widget.querySelector(".note");
        widgets[widget.dataset.widget](widget, data);
        widget.append(note);
    }
}
