//! The heads of one model as pictures.

use ndarray::Array2;

use super::heads::Reading;
use crate::claim::trained::plain;
use crate::claim::{Evidence, Settings};
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference, Wall};
use crate::mask::Mask;

pub(super) fn show(evidence: &mut Evidence, settings: &Settings, name: &str, readings: [&Reading; 2]) {
    let [trained, other] = readings;
    let caption = format!(
        "{name} under {}, as trained: effective rank of every head's attention weights, mean over the texts.",
        trained.mask
    );
    evidence.show(format!("heads-{}", plain(name)), caption, wall(settings, name, trained));
    let caption = format!(
        "{name}: effective ranks of all heads from the smallest to the largest, as trained ({}) and with the mask \
         transplanted ({}), whiskers: standard deviation over the texts. Dashed: untrained Gaussian heads of the \
         same size under either mask.",
        trained.mask, other.mask
    );
    evidence.show(format!("ranks-{}", plain(name)), caption, lines(settings, name, readings));
}

fn wall(settings: &Settings, name: &str, reading: &Reading) -> Wall {
    let layers = reading.heads.iter().map(|head| head.layer + 1).max().unwrap_or(0);
    let heads = reading.heads.iter().map(|head| head.head + 1).max().unwrap_or(0);
    let mut values = Array2::from_elem((layers, heads), None);
    for head in &reading.heads {
        values[(head.layer, head.head)] = Some(head.effective.mean());
    }
    Wall {
        title: format!("Effective rank of the heads of {name}"),
        values,
        layers: Wall::one_stack(layers),
        unit: "effective rank".into(),
        settings: settings.record(),
    }
}

fn lines(settings: &Settings, name: &str, readings: [&Reading; 2]) -> Lines {
    let curve = |reading: &Reading, how: &str| {
        let mut heads: Vec<_> = reading.heads.iter().map(|head| &head.effective).collect();
        heads.sort_by(|a, b| a.mean().total_cmp(&b.mean()));
        let points = heads.iter().enumerate().map(|(place, rank)| ((place + 1) as f64, rank.mean()));
        Curve::new(format!("{}, {how}", reading.mask), Kind::of(&reading.mask), points)
            .with_spread(heads.iter().map(|rank| rank.sd()))
    };
    let untrained = |reading: &Reading| {
        let mask = if reading.mask == Mask::causal() { "causal" } else { "bidirectional" };
        Reference::level(format!("untrained, {mask}"), reading.random.mean())
    };
    Lines {
        title: format!("Effective ranks of the heads of {name}"),
        x: PlotAxis::linear("heads in order of rank"),
        y: PlotAxis::linear("effective rank"),
        curves: vec![curve(readings[0], "as trained"), curve(readings[1], "transplanted")],
        references: readings.map(untrained).into(),
        settings: settings.record(),
    }
}
