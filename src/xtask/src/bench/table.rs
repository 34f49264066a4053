//! Comparisons, and the table that they make.

/// One comparison: our value, theirs, and the bar.
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub ours: f64,
    pub theirs: Option<f64>,
    pub bar: Bar,
}

/// The bar that a row should meet.
pub enum Bar {
    /// Ours over theirs should be at most this.
    Ratio(f64),
    /// Ours should be at most this.
    Absolute(f64),
}

/// The comparisons as a Markdown table.
pub fn table(rows: &[Row]) -> String {
    let mut table =
        String::from("| what | rankscope | reference | ratio | bar |\n|---|---:|---:|---:|---:|\n");
    for row in rows {
        let ours = format!("{} {}", number(row.ours), row.unit);
        let bar = match row.bar {
            Bar::Ratio(bar) => format!("{bar:.3}"),
            Bar::Absolute(bar) => format!("{} {}", number(bar), row.unit),
        };
        let (theirs, ratio) = match row.theirs {
            Some(theirs) => (format!("{} {}", number(theirs), row.unit), format!("{:.3}", row.ours / theirs)),
            None if matches!(row.bar, Bar::Ratio(_)) => ("left out".to_owned(), String::new()),
            None => (String::new(), String::new()),
        };
        table.push_str(&format!("| {} | {ours} | {theirs} | {ratio} | {bar} |\n", row.what));
    }
    table
}

/// Three significant digits.
pub fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
