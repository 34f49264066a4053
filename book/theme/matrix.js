"use strict";
// Attention weights and their singular values, as src/rankscope/rank defines them.
const Matrix = {
    epsilon: { f32: 2 ** -23, f64: 2 ** -52 },

    // Softmax of each row over the keys that its query may attend to; a query that may attend to none has weights 0.
    softmax(scores, may) {
        return scores.map((row, t) => {
            const seen = row.filter((_, s) => may(t, s));
            const most = Math.max(...seen);
            const powers = row.map((score, s) => (may(t, s) ? Math.exp(score - most) : 0));
            const sum = powers.reduce((a, b) => a + b, 0);
            return powers.map((power) => (sum > 0 ? power / sum : 0));
        });
    },

    // Singular values, the largest first. One-sided Jacobi: rotate pairs of columns until each is orthogonal to all
    // others; their lengths are then the singular values.
    singularValues(rows) {
        const columns = rows[0].map((_, s) => rows.map((row) => row[s]));
        const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
        for (let sweep = 0, turned = true; turned && sweep < 60; sweep++) {
            turned = false;
            for (let i = 0; i < columns.length; i++) {
                for (let j = i + 1; j < columns.length; j++) {
                    const [a, b] = [columns[i], columns[j]];
                    const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
                    if (Math.abs(ab) <= 1e-15 * Math.sqrt(aa * bb)) continue;
                    turned = true;
                    const zeta = (bb - aa) / (2 * ab);
                    const tan = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
                    const cos = 1 / Math.hypot(1, tan);
                    columns[i] = a.map((x, k) => cos * (x - tan * b[k]));
                    columns[j] = b.map((x, k) => cos * (x + tan * a[k]));
                }
            }
        }
        return columns.map((column) => Math.sqrt(dot(column, column))).sort((a, b) => b - a);
    },

    // The singular values above max(N, M) · ε · σ₁.
    numericalRank(values, epsilon) {
        return values.filter((value) => value > values.length * epsilon * values[0]).length;
    },

    // exp of the entropy of σᵢ / Σσ.
    effectiveRank(values) {
        const sum = values.reduce((a, b) => a + b, 0);
        if (sum === 0) return 0;
        return Math.exp(values.reduce((entropy, value) => (value > 0 ? entropy - (value / sum) * Math.log(value / sum) : entropy), 0));
    },
};
