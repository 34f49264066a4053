//! Operations that move or rotate rows: gather, rotary, heads.

use rankscope::ops::{RotaryTable, gather, gather_rows, merge_heads, rotary, split_heads};
use rankscope::{Axis, Device, Dtype, Tensor, Weight};

use crate::oracle;
use crate::support::{B, C, D, H, T, assert_close, devices, noise, on, random, refused, wide_of};

/// The rows of some width that have these numbers.
fn rows(values: &[f32], width: usize, ids: &[u32]) -> Vec<f32> {
    ids.iter().flat_map(|&id| &values[id as usize * width..][..width]).copied().collect()
}

#[test]
fn gather_in_every_dtype_and_odd_widths() {
    for device in devices() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            for (entries, width) in [(7, 3), (5, 1), (11, 66), (3, 4)] {
                let axes = [(Axis::Vocab, entries), (Axis::Width, width)];
                let table = Weight::new("wte", axes, dtype, &noise(entries * width, 1)).unwrap();
                let ids = [entries as u32 - 1, 0, 1, 1, 2, 0];
                let want = rows(&table.to_f32().unwrap(), width, &ids);
                let got = gather(&table.to_device(&device).unwrap(), &ids, 2).unwrap();
                assert_eq!(got.device(), device);
                assert_eq!(got.shape().to_string(), format!("[B=2, T=3, C={width}]"));
                assert_eq!(got.to_vec().unwrap(), want, "{dtype}, width {width}, on {device}");
            }
        }
    }
}

#[test]
fn gather_rows_counts_all_outer_axes_as_one() {
    for device in devices() {
        for (batch, queries, width) in [(2, 3, 5), (1, 7, 1), (3, 2, 66)] {
            let x = random(&[(B, batch), (T, queries), (C, width)], 4);
            let ids = [batch * queries - 1, 0, queries, queries, 1];
            let ids = ids.map(|row| (row % (batch * queries)) as u32);
            let want = rows(&x.to_vec().unwrap(), width, &ids);
            let got = on(&device, [&x], |[x]| gather_rows(&x, &ids));
            assert_eq!(got.shape().to_string(), format!("[N=5, C={width}]"));
            assert_eq!(got.to_vec().unwrap(), want, "{batch} x {queries} x {width} on {device}");
            let none = on(&device, [&x], |[x]| gather_rows(&x, &[]));
            assert_eq!(none.shape().to_string(), format!("[N=0, C={width}]"));
        }
        let x = random(&[(T, 3), (C, 2)], 4).to_device(&device).unwrap();
        refused(gather_rows(&x, &[0, 3]), "row at position 1 is 3, expected less than 3");
    }
}

#[test]
fn rotary_turns_by_position() {
    for device in devices() {
        for (batch, heads, queries, size, first) in [(2, 3, 5, 4, 0), (1, 2, 7, 34, 1000), (3, 1, 1, 2, 9)] {
            let axes = [(B, batch), (H, heads), (T, queries), (D, size)];
            let x = random(&axes, 1);
            let want = oracle::rotary(&wide_of(&x), size, 10000.0, |row| first + row % queries);
            let table = RotaryTable::new(first, queries, size, 10000.0, &device).unwrap();
            let got = on(&device, [&x], |[x]| rotary(&x, &table));
            assert_close(&format!("rotary {axes:?}"), &device, &got, &want, 3e-7);
        }
    }
}

#[test]
fn rotary_pairs_the_halves() {
    // One position, D = 4, angles θ₀ = 1 and θ₁ = 1/100: by hand from the formula.
    let x = Tensor::new([(B, 1), (H, 1), (T, 1), (D, 4)], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    let table = RotaryTable::new(1, 1, 4, 10000.0, &Device::Cpu).unwrap();
    let (c0, s0, c1, s1) = (1f64.cos(), 1f64.sin(), 0.01f64.cos(), 0.01f64.sin());
    let want = [c0 - 3.0 * s0, 2.0 * c1 - 4.0 * s1, 3.0 * c0 + s0, 4.0 * c1 + 2.0 * s1];
    assert_close("by hand", &Device::Cpu, &rotary(&x, &table).unwrap(), &want, 2e-7);
}

#[test]
fn heads_are_split_and_merged() {
    for device in devices() {
        for (batch, queries, heads, size) in [(2, 3, 5, 4), (1, 7, 2, 33), (3, 1, 4, 1)] {
            let x = random(&[(B, batch), (T, queries), (Axis::HeadWidth, heads * size)], 1);
            let values = x.to_vec().unwrap();
            let split = on(&device, [&x], |[x]| split_heads(&x, heads));
            let got = split.to_vec().unwrap();
            for (at, &value) in got.iter().enumerate() {
                let (d, t) = (at % size, at / size % queries);
                let (h, b) = (at / (size * queries) % heads, at / (size * queries * heads));
                assert_eq!(value, values[((b * queries + t) * heads + h) * size + d], "{device}");
            }
            assert_eq!(merge_heads(&split).unwrap().to_vec().unwrap(), values, "{device}");
        }
    }
}
