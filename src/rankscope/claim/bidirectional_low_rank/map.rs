//! Causal minus bidirectional effective rank over head size, logit scale and alignment.

use super::*;

/// Causal minus bidirectional effective rank over head size and logit scale.
pub(super) fn map(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<(Floating, String)> {
    let mut scales = settings.numbers("scales")?;
    scales.sort_by(f64::total_cmp);
    scales.dedup();
    let grid = PhaseGrid {
        n: settings.integer("n")?,
        head_sizes: settings.ascending("head_sizes")?,
        scales,
        alignment: settings.number("alignment")?,
        seed: settings.seed()?,
        seeds: settings.integer("seeds")?,
    };
    let map = phase_map(&grid, settings.device(), run)?;
    let (points, all) = (map.points(), map.points().len());
    let at = |&head_size: &usize| Some((head_size, map.border(head_size)?));
    let borders: Vec<(usize, f64)> = grid.head_sizes.iter().filter_map(at).collect();
    let [lower, higher, undecided] =
        [Ahead::Causal, Ahead::Bidirectional, Ahead::Neither].map(|ahead| map.count(ahead));
    evidence.measure("points_bidirectional_lower", lower as f64, "points");
    evidence.measure("points_bidirectional_higher", higher as f64, "points");
    evidence.measure("points_undecided", undecided as f64, "points");
    for (head_size, scale) in &borders {
        evidence.measure(format!("border_scale_d{head_size}"), *scale, "");
    }
    // The points that the reference has, or all points of a small map.
    let is_known = |d: usize, scale: f64| [4, 16, 64].contains(&d) && [0.1, 0.5, 1.0, 4.0].contains(&scale);
    for point in points.iter().filter(|point| all <= 4 || is_known(point.head_size, point.scale)) {
        let place = Place { head_size: point.head_size, scale: point.scale };
        evidence.record(place.name("effective_rank_causal"), &point.causal);
        evidence.record(place.name("effective_rank_bidirectional"), &point.bidirectional);
        evidence.record(place.name("difference"), &point.difference());
    }
    // The points with the largest difference in favour of each mask.
    for (ahead, sign, word) in [(Ahead::Causal, 1.0, "lower"), (Ahead::Bidirectional, -1.0, "higher")] {
        let side = points.iter().filter(|point| point.ahead() == ahead);
        let gain = |point: &crate::claim::PhasePoint| sign * point.difference().mean();
        let Some(most) = side.max_by(|a, b| gain(a).total_cmp(&gain(b))) else { continue };
        let text = format!(
            "at {} of {all} points of the map the bidirectional effective rank is the {word} one, most so at D = {} and \
             scale {}: {} against {} causal",
            map.count(ahead),
            most.head_size,
            most.scale,
            most.bidirectional,
            most.causal
        );
        evidence.weigh(ahead == Ahead::Causal, text).at("head_size", most.head_size).at("scale", most.scale);
    }
    let caption = format!(
        "Causal minus bidirectional effective rank at n = {}, mean over {} draws per cell, both masks on the same \
         queries and keys. Where it is positive, bidirectional attention has the lower effective rank; on the line the \
         two are equal.",
        grid.n, grid.seeds
    );
    evidence.show("phase-map", caption, map.figure(settings.record()));
    let border = match borders[..] {
        [] => String::new(),
        [(size, scale)] => format!("; it is below at logit scales under {} at D = {size}", short(scale)),
        [(first, high), .., (last, low)] => format!(
            "; it is below at logit scales under {} at D = {first} to {} at D = {last}",
            short(high),
            short(low)
        ),
    };
    let because = format!(
        "The effective rank is below the causal one at {lower} of {all} points of head size and logit scale, and above \
         it at {higher}{border}."
    );
    let outcomes = points.iter().map(|point| Outcome::compared(point.ahead().is_causal()));
    Ok((Floating::over(outcomes), because))
}

pub(super) const ALIGNMENTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// The effect of the alignment of keys with queries on the comparison, at unit scale.
pub(super) fn alignment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (n, head_sizes) = (settings.integer("n")?, vec![4, 16, 64]);
    let at = |alignment| {
        let (seed, seeds) = (settings.seed()?, settings.integer("seeds")?);
        let grid = PhaseGrid { n, head_sizes: head_sizes.clone(), scales: vec![1.0], alignment, seed, seeds };
        phase_map(&grid, settings.device(), run)
    };
    let maps = ALIGNMENTS.into_iter().map(at).collect::<Result<Vec<_>>>()?;
    let mut curves = Vec::new();
    for (index, head_size) in head_sizes.iter().enumerate() {
        let differences: Vec<Sample> = maps.iter().map(|map| map.points()[index].difference()).collect();
        for (alignment, difference) in ALIGNMENTS.iter().zip(&differences) {
            evidence.record(format!("difference_d{head_size}_alignment_{alignment}"), difference);
        }
        let (independent, aligned) = (&differences[0], &differences[ALIGNMENTS.len() - 1]);
        let text = format!(
            "n = {n}, D = {head_size}, unit scale: causal minus bidirectional effective rank is {independent} for \
             independent keys and {aligned} for K = Q"
        );
        let finding = evidence.weigh(independent.mean() > 0.0 && aligned.mean() > 0.0, text);
        finding.at("head_size", *head_size).at("scale", 1.0).at("alignment", 1.0);
        let points = ALIGNMENTS.into_iter().zip(differences);
        curves.push(curve(format!("D = {head_size}"), Kind::Plain, points));
    }
    let caption = format!(
        "Causal minus bidirectional effective rank at n = {n} and unit scale, mean ± sd over draws, while keys turn \
         from independent of the queries (0) to equal to them (1)."
    );
    let difference = PlotAxis::linear("causal − bidirectional effective rank");
    let axes = [PlotAxis::linear("alignment of keys with queries"), difference];
    let title = "Causal minus bidirectional effective rank over alignment";
    let references = vec![Reference::level("equal", 0.0)];
    evidence.plot("over-alignment", caption, lines(title, axes, curves, references));
    Ok(())
}
