{
use rankscope::claim::{NetSizes, log_residuals};
use rankscope::model::stack::{NormPlace, Stack};
use rankscope::prelude::*;

// pure attention: x ← attention(x)
let sizes = NetSizes { n: 32, width: 64, heads: 4, layers: 12 };
let architecture = sizes.pure();
let stack = Stack::new(architecture, 0)?;
for text in ["bidirectional", "prefix(16)", "causal", "window(4)"] {
    let logs = log_residuals(&stack, &sizes.input(0), &text.parse()?, &Run::default())?;
    let ratios: Vec<String> = logs.iter().map(|log| format!("{:.2e}", 10f64.powf(*log))).collect();
    println!("{text}: {}", ratios.join(" "));
}

}
