//! A whole mechanism: the devices agree, and the GPU reads nothing back during the pass.

use rankscope::attention::Visibility;
use rankscope::mask::Padding;
use rankscope::prelude::*;

use crate::support::{assert_close, gpu, inner, random, wide_of};

#[test]
fn attention_on_the_gpu_reads_nothing_back() {
    let Some(device) = gpu() else { return };
    let (batch, heads, kv_heads, queries, keys, size) = (2, 4, 2, 5, 7, 6);
    let axes = |head, count, length| [(Axis::Batch, batch), (head, count), length, (Axis::HeadSize, size)];
    let q = random(&axes(Axis::Head, heads, (Axis::Query, queries)), 1);
    let k = random(&axes(Axis::KvHead, kv_heads, (Axis::Key, keys)), 2);
    let v = random(&axes(Axis::KvHead, kv_heads, (Axis::Key, keys)), 3);
    let real = (0..batch * keys).map(|i| i % keys < 7 - 3 * (i / keys)).collect();
    let padding = Padding::new(real, keys).unwrap();
    let mask = Mask::causal();
    let at = Positions::suffix(queries, keys).unwrap();
    let visibility = Visibility { mask: &mask, at, padding: Some(&padding) };
    let attend = |device: &Device| {
        let [q, k, v] = [&q, &k, &v].map(|x| x.to_device(device).unwrap());
        let mechanism = ScaledDotProduct::new(size);
        mechanism.forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default()).unwrap()
    };
    let want = wide_of(&attend(&Device::Cpu));
    // A device of its own, because the other tests' work is counted on the shared one.
    let gpu =
        rankscope::device::Gpu::from_wgpu(inner(&device).device().clone(), inner(&device).queue().clone());
    let own = Device::Gpu(gpu.clone());
    let context = attend(&own);
    let counts = gpu.counts();
    assert_eq!((counts.dispatches, counts.submissions, counts.readbacks), (3, 0, 0));
    assert_close("attention", &own, &context, &want, 1e-6);
    assert_eq!((gpu.counts().submissions, gpu.counts().readbacks), (1, 1));
}
