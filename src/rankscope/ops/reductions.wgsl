// Sums and maxima over a workgroup of LANES invocations, by halving: each step joins one half of the numbers with the other.
//
// A part of the kernels that reduce rows, which declare LANES, a power of two. Rungs of a ladder write their own, because they
// differ in it.

var<workgroup> partial: array<f32, LANES>;

/// The sum of the values that the invocations pass.
fn sum_of_all(lane: u32, value: f32) -> f32 {
    partial[lane] = value;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { partial[lane] += partial[lane + half]; }
    }
    return workgroupUniformLoad(&partial[0]);
}

/// The largest value that any invocation passes.
fn largest_of_all(lane: u32, value: f32) -> f32 {
    partial[lane] = value;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { partial[lane] = max(partial[lane], partial[lane + half]); }
    }
    return workgroupUniformLoad(&partial[0]);
}
