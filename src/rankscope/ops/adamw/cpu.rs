//! AdamW, block by block, in place.

use super::AdamStep;
use crate::ops::Real;
use crate::ops::blocks::share;
use crate::ops::vectorised::vectorised;

/// Numbers of a block: four of them stay in a second-level cache.
const BLOCK: usize = 32 * 1024;

/// One step of w, m and v; see [`adamw`](crate::ops::adamw).
pub fn adamw<F: Real>([w, mean, square]: [&mut [F]; 3], gradient: &[F], step: AdamStep) {
    let blocks = w.chunks_mut(BLOCK).zip(mean.chunks_mut(BLOCK)).zip(square.chunks_mut(BLOCK));
    let blocks: Vec<_> = blocks.zip(gradient.chunks(BLOCK)).collect();
    match blocks.len() {
        0..2 => blocks
            .into_iter()
            .for_each(|(((w, mean), square), gradient)| block(w, mean, square, gradient, step)),
        _ => share(blocks.into_iter(), |(((w, mean), square), gradient)| {
            block(w, mean, square, gradient, step)
        }),
    }
}

vectorised! {
    fn block[F: Real](w: &mut [F], mean: &mut [F], square: &mut [F], gradient: &[F], step: AdamStep) {
        let number = |x: f32| F::constant(f64::from(x));
        let AdamStep { rate, beta1, beta2, epsilon, decay, factor, .. } = step;
        let [mean_correction, square_correction] = step.corrections().map(number);
        let [rate, beta1, beta2, epsilon, decay, factor] =
            [rate, beta1, beta2, epsilon, decay, factor].map(number);
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
