//! A whole mechanism: the devices agree, and the GPU reads nothing back during the pass.

use rankscope::attention::Visibility;
use rankscope::prelude::*;

use crate::support::{assert_close, own, padding, qkv, wide_of};

#[test]
fn attention_on_the_gpu_reads_nothing_back() {
    // A device of its own, because the other tests' work is counted on the shared one.
    let Some((gpu, own)) = own() else { return };
    let sizes @ [batch, _, _, queries, keys, size] = [2, 4, 2, 5, 7, 6];
    let inputs = qkv(sizes);
    let padding = padding(batch, keys, |b, s| s < 7 - 3 * b);
    let mask = Mask::causal();
    let at = Positions::suffix(queries, keys).unwrap();
    let visibility = Visibility { mask: &mask, at, padding: Some(&padding) };
    let attend = |device: &Device| {
        let [q, k, v] = inputs.each_ref().map(|x| x.to_device(device).unwrap());
        let mechanism = ScaledDotProduct::new(size);
        mechanism.forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default()).unwrap()
    };
    let want = wide_of(&attend(&Device::Cpu));
    let context = attend(&own);
    let counts = gpu.counts();
    assert_eq!((counts.dispatches, counts.submissions, counts.readbacks), (3, 0, 0));
    assert_close("attention", &own, &context, &want, 1e-6);
    assert_eq!((gpu.counts().submissions, gpu.counts().readbacks), (1, 1));
}
