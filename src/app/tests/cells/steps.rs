{
use rankscope::claim::attention_weights;
use rankscope::rank::RankReport;
let q = rankscope::ndarray::array![[-0.8, -1.4], [0.9, 0.4], [0.3, -0.6], [-1.1, 1.1]];
let k = rankscope::ndarray::array![[1.0, -1.8], [0.8, 0.1], [-1.0, 0.2], [0.1, 0.5]];
let mask: Mask = "causal".parse()?;
let weights = attention_weights(&q, &k, 1.0, &mask, &Device::Cpu)?;
println!("{weights:.3}");
RankReport::of(weights.view(), Some(&mask.exact_rank(4)))?
}
