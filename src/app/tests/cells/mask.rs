{
use rankscope::claim::Draw;
use rankscope::figure::{Series, SpectrumFigure, style::Kind};
use rankscope::rank::Spectrum;
let draw = Draw::aligned(32, 8, 0.0, 7);
let rule: Mask = "prefix(8) & two-sided-window(20)".parse()?;
let mine = Mask::custom(rule.pattern(32));
let mut series: Vec<Series> = Vec::new();
let masks: Vec<(&str, Kind, Mask)> = vec![
    ("causal", Kind::Causal, Mask::causal()),
    ("prefix(16)", Kind::Prefix, Mask::prefix(16)),
    ("bidirectional", Kind::Bidirectional, Mask::bidirectional()),
    ("mine", Kind::Custom, mine),
];
for (name, kind, mask) in &masks {
    let weights = draw.weights(1.0, mask, &Device::Cpu)?;
    let spectrum = Spectrum::of(weights.view())?;
    println!("{name}: effective rank {:.1}", spectrum.effective_rank());
    series.push(Series { name: name.to_string(), kind: *kind, spectrum });
}
let figure: SpectrumFigure = SpectrumFigure {
    title: "Singular values of the attention weights".to_string(),
    series,
    settings: Default::default(),
};
figure
}
