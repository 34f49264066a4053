//! AdamW, block by block, in place.

use super::AdamStep;
use crate::ops::Real;
use crate::ops::blocks::share;
use crate::ops::vectorised::vectorised;

/// Numbers of a block: four of them stay in a second-level cache.
const BLOCK: usize = 32 * 1024;

/// w, m and v of a tensor, its gradient and λ.
pub struct Walk<'a, F> {
    /// w, m and v.
    pub state: [&'a mut [F]; 3],
    /// g.
    pub gradient: &'a [F],
    /// λ.
    pub decay: f32,
}

/// One step of w, m and v of every tensor, with gradients times `factor`; see [`adamw`](crate::ops::adamw).
pub fn adamw<F: Real>(tensors: Vec<Walk<'_, F>>, factor: f32, step: AdamStep) {
    let blocks = tensors.into_iter().flat_map(|Walk { state: [w, mean, square], gradient, decay }| {
        let state = w.chunks_mut(BLOCK).zip(mean.chunks_mut(BLOCK)).zip(square.chunks_mut(BLOCK));
        let blocks = state.zip(gradient.chunks(BLOCK));
        blocks.map(move |(((w, mean), square), gradient)| Walk { state: [w, mean, square], gradient, decay })
    });
    let blocks: Vec<_> = blocks.collect();
    share(blocks.into_iter(), |Walk { state: [w, mean, square], gradient, decay }| {
        block(w, mean, square, gradient, [factor, decay], step);
    });
}

vectorised! {
    fn block[F: Real](
        w: &mut [F],
        mean: &mut [F],
        square: &mut [F],
        gradient: &[F],
        factor_and_decay: [f32; 2],
        step: AdamStep,
    ) {
        let number = |x: f32| F::constant(f64::from(x));
        let AdamStep { rate, beta1, beta2, epsilon, .. } = step;
        let [mean_correction, square_correction] = step.corrections().map(number);
        let [factor, decay] = factor_and_decay.map(number);
        let [rate, beta1, beta2, epsilon] = [rate, beta1, beta2, epsilon].map(number);
        let means = mean.iter_mut().zip(square.iter_mut());
        for ((w, (m, v)), &g) in w.iter_mut().zip(means).zip(gradient) {
            let g = g * factor;
            *m = beta1 * *m + (F::one() - beta1) * g;
            *v = beta2 * *v + (F::one() - beta2) * g * g;
            let update = *m * mean_correction / ((*v * square_correction).sqrt() + epsilon);
            *w = *w - rate * (update + decay * *w);
        }
    }
}
