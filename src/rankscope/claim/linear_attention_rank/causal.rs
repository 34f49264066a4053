//! Claim: causal linear attention has full rank.

use super::*;

/// For one draw under the causal mask: the numerical rank of elu + 1, and in f32; of its block from the later half of
/// the queries to the earlier half of the keys; of relu; the number of tokens whose query and key share no relu
/// feature, which are zeros on the diagonal; the effective ranks of elu + 1 and softmax; log₁₀ of the condition number;
/// and whether the positions of the zeros of elu + 1 prove full rank.
pub(super) type Causal = (Size, [Sample; 9]);

pub(super) fn causal(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (device, mask, seeds) = (settings.device(), Mask::causal(), settings.seeds("seeds")?);
    let zero = tolerance(device);
    let points = sweep(Size::all(settings)?, &seeds, "causal linear attention", run, |size, seed| {
        let (_, [elu, relu, softmax]) = weights(size, seed, &mask, device)?;
        let (half, n) = (size.n / 2, size.n);
        let is_full = exact_rank(elu.mapv(|weight| weight != 0.0).view()).rank == Some(n);
        let strangers = relu.diag().iter().filter(|&&weight| weight == 0.0).count();
        let rank = |spectrum: &Spectrum| spectrum.numerical_rank(zero) as f64;
        let (block, spectrum_elu) =
            (spectrum(elu.slice(s![half.., ..half]), run)?, spectrum(elu.view(), run)?);
        Ok([
            rank(&spectrum_elu),
            spectrum_elu.numerical_rank(Tolerance::F32) as f64,
            rank(&block),
            rank(&spectrum(relu.view(), run)?),
            strangers as f64,
            spectrum_elu.effective_rank(),
            spectrum(softmax.view(), run)?.effective_rank(),
            spectrum_elu.condition().map_or(f64::NAN, |condition| condition.value.log10()),
            f64::from(u8::from(is_full)),
        ])
    })?;
    let mut evidence = Evidence::new(settings);
    points.iter().for_each(|point| report(&mut evidence, point, device));
    recurrence(&mut evidence, settings, run)?;
    let lost =
        |(size, samples): &Causal| samples[1].values().iter().map(|rank| size.n as f64 - rank).collect();
    let axes = [PlotAxis::log("positions n"), PlotAxis::linear("n − numerical rank in f32")];
    let curves = by_size(&points, Kind::Causal, lost);
    let caption = "Directions of causal linear attention with elu + 1 that count as zero at f32's tolerance, over the number \
                   of positions n: small heads lose some in long sequences. Exactly none is lost.";
    let title = "Directions lost by causal linear attention";
    plot(&mut evidence, "lost-over-n", caption, lines(title, axes, curves, Vec::new()));
    if let Some((size, _)) = largest(&points) {
        let (_, [elu, _, softmax]) = weights(size, settings.seed()?, &mask, device)?;
        let half = size.n / 2;
        let block = Spectrum::of(elu.slice(s![half.., ..half]))?;
        let series = [
            ("linear, elu + 1", Kind::Causal, Spectrum::of(elu.view())?),
            ("its block of later queries and earlier keys", Kind::Plain, block),
            ("softmax", Kind::Custom, Spectrum::of(softmax.view())?),
        ];
        let caption = format!(
            "The block in which the later half of the queries meets the earlier half of the keys has no more than {} that \
             are not rounding.",
            size.head_size.min(half)
        );
        show_spectra(&mut evidence, size, series, &caption);
    }
    let strangers = |(_, samples): &Causal| samples[4].count_where(|count| count > 0.0);
    let not_full: usize = points.iter().map(strangers).sum();
    let elu = "With elu + 1 every weight on the diagonal is positive, which makes full rank a theorem";
    let exact = match points.iter().find(|point| strangers(point) > 0) {
        Some((size, _)) => {
            let because = format!(
                "With relu, a token whose query and key share no feature has a 0 on the diagonal: in {not_full} of {} \
                 draws, first at {size}. {elu}.",
                points.len() * seeds.len()
            );
            (Exact::Refuted, because)
        }
        None => (Exact::Open, format!("{elu}; with relu, no draw here has a 0 on the diagonal.")),
    };
    let lost: Vec<_> = points.iter().filter(|point| !is_full_in_f32(point)).collect();
    let because = if lost.is_empty() {
        "With elu + 1, f32 finds full rank in every draw.".to_owned()
    } else {
        let deepest = lost.iter().map(|(size, samples)| size.n as f64 - samples[1].extremes().0);
        format!(
            "With elu + 1, f32 finds full rank in every draw but at {}, where up to {} directions are lost.",
            sizes(&lost),
            deepest.fold(0.0, f64::max)
        )
    };
    let floating = Floating::over(points.iter().map(|point| Outcome::of(is_full_in_f32(point))));
    Ok((evidence, Verdict::of(Some(exact), Some((floating, because)), None)))
}

pub(super) fn is_full_in_f32((size, samples): &Causal) -> bool {
    samples[1].extremes().0 >= size.n as f64
}

pub(super) fn report(evidence: &mut Evidence, point: &Causal, device: &Device) {
    let (size, [elu, in_f32, block, relu, strangers, effective, softmax, condition, is_full]) = point;
    let text = format!(
        "{size}, elu + 1: numerical rank {elu}, in f32 {in_f32}; what passes from the earlier to the later half of the \
         tokens has rank {block}: the full rank sits near the diagonal"
    );
    let is_full = is_full.extremes().0 == 1.0 && is_full_in_f32(point);
    evidence.weigh(is_full, text).at("n", size.n).at("head_size", size.head_size);
    let text = format!(
        "{size}, relu: tokens that share no feature with themselves, {strangers}; numerical rank {relu}"
    );
    let finding = evidence.weigh(strangers.mean() == 0.0, text);
    finding.at("n", size.n).at("head_size", size.head_size).at("feature_map", "relu");
    evidence.record(size.name("rank_causal"), elu);
    evidence.record(size.name("rank_f32_causal"), in_f32);
    let measured = evidence.record(size.name("rank_block"), block);
    if *device == Device::Cpu {
        let bound = size.head_size.min(size.n / 2) as f64;
        measured.expect(bound, 0.0, "rank φ(Q)φ(K)ᵀ = min(D, n) for almost all inputs");
    }
    evidence.record(size.name("rank_relu_causal"), relu);
    evidence.record(size.name("relu_strangers"), strangers);
    evidence.record(size.name("effective_rank_causal"), effective);
    evidence.record(size.name("effective_rank_softmax_causal"), softmax);
    if *device == Device::Cpu {
        // Entries in f32 would show nothing about the smallest singular values.
        evidence.record(size.name("log10_condition_causal"), condition);
    }
}

/// The number of tokens that are processed one by one on the device; the rest are processed as one block.
pub(super) const SINGLY: usize = 32;

/// The difference between the recurrent state's outputs and those of the causal matrix: in f64 token by token, and in
/// f32 as the device computes it.
pub(super) fn recurrence(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (map, device, seed) = (FeatureMap::EluPlusOne, settings.device(), settings.seed()?);
    let n = settings.integers("lengths")?.into_iter().max().unwrap_or(2);
    let head_size = settings.integers("head_sizes")?.into_iter().min().unwrap_or(1);
    let (draw, values) = (Draw::independent(n, head_size, seed), gaussian(n, head_size, seed, 2));
    let want = linear_weights(&draw.q, &draw.k, map, &Mask::causal(), &Device::Cpu)?.dot(&values);

    let (q, k) = (features(&draw.q, map), features(&draw.k, map));
    let (mut sums, mut context) = (LinearSums::new(head_size), Array2::zeros((n, head_size)));
    for (t, mut context) in context.rows_mut().into_iter().enumerate() {
        run.check()?;
        sums.push(&k.row(t).to_vec(), &values.row(t).to_vec());
        sums.context(&q.row(t).to_vec(), context.as_slice_mut().expect("a row of a new array"));
    }

    let (mut state, singly) = (LinearState::new(map, 1, 1, head_size, device)?, n.min(SINGLY));
    let mut stepped = Vec::with_capacity(n * head_size);
    for tokens in (0..singly).map(|t| t..t + 1).chain((singly < n).then_some(singly..n)) {
        run.step("recurrent state", tokens.start, n)?;
        let part = |x: &Array2<f64>, heads: Axis, length: Axis| {
            let values = x.slice(s![tokens.clone(), ..]).iter().map(|&value| value as f32).collect();
            let axes = [(Axis::Batch, 1), (heads, 1), (length, tokens.len()), (Axis::HeadSize, head_size)];
            Tensor::new(axes, values)?.to_device(device)
        };
        let q = part(&draw.q, Axis::Head, Axis::Query)?;
        let (k, v) = (part(&draw.k, Axis::KvHead, Axis::Key)?, part(&values, Axis::KvHead, Axis::Key)?);
        stepped.extend(state.step(&q, &k, &v, run)?.to_vec()?.into_iter().map(f64::from));
    }
    let stepped = Array2::from_shape_vec((n, head_size), stepped).expect("n rows of D");

    let largest = |x: &Array2<f64>| x.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let [f64s, f32s] = [context, stepped].map(|got| largest(&(&got - &want)) / largest(&want));
    let bound = (n + head_size) as f64;
    let [f64_bound, f32_bound] = [f64::EPSILON, f64::from(f32::EPSILON)].map(|epsilon| bound * epsilon);
    evidence.measure("recurrent_difference_f64", f64s, "").expect(0.0, f64_bound, "rounding in f64");
    evidence.measure("recurrent_difference_f32", f32s, "").expect(0.0, f32_bound, "rounding in f32");
    let text = format!(
        "n = {n}, D = {head_size}: a recurrent state of {} numbers, stepped token by token, gives what the causal matrix \
         gives, up to {} (f32: {}); keys and values take {} numbers by then",
        head_size * (head_size + 1),
        short(f64s),
        short(f32s),
        2 * head_size * n
    );
    evidence.weigh(f64s <= f64_bound, text).at("n", n).at("head_size", head_size);
    Ok(())
}
