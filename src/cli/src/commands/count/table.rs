//! One model as text.

use rankscope::model::count::{Costs, Count, ModelSizes, Operations, Parameters, Part, StackSizes};
use rankscope::numbers::{grouped, scaled};

use crate::output::{columns, facts, labelled};

pub fn of_one(count: &Count) -> String {
    let mut lines = vec![("model", heading(count))];
    lines.extend(count.source.map(|source| ("source", source.to_owned())));
    lines.extend(count.stated.map(|stated| ("stated", stated.to_owned())));
    let mut paragraphs = vec![facts(&lines), of_parts(&count.parameters)];
    match &count.costs {
        Some(costs) => paragraphs.push(facts(&of_costs(costs))),
        None => paragraphs.push(
            "no operations and no bytes: they need the sizes, and the source states totals only\n".to_owned(),
        ),
    }
    paragraphs.join("\n")
}

fn heading(count: &Count) -> String {
    match &count.sizes {
        Some(sizes) => format!("{}: {}", count.name, in_letters(sizes)),
        None => format!("{}: no sizes", count.name),
    }
}

/// The sizes by their letters.
fn in_letters(sizes: &ModelSizes) -> String {
    let stacks: Vec<_> = [("encoder", &sizes.encoder), ("decoder", &sizes.decoder)]
        .into_iter()
        .filter_map(|(name, stack)| Some(format!("{name} of {}", of_stack(stack.as_ref()?))))
        .collect();
    let context = sizes.context.map_or_else(|| "any context".to_owned(), |most| format!("context {most}"));
    format!("{}, C {}, V {}, {context}; {}", sizes.family, sizes.width, sizes.vocab, stacks.join(", "))
}

fn of_stack(stack: &StackSizes) -> String {
    let (attention, network) = (&stack.self_attention, &stack.feed_forward);
    let experts = match network.experts {
        1 => String::new(),
        experts => format!(", {} of {experts} experts", network.active),
    };
    format!(
        "L {}, H {}, G {}, D {}, F {}{experts}",
        stack.layers, attention.heads, attention.kv_heads, attention.head_size, network.width
    )
}

fn of_parts(parameters: &Parameters) -> String {
    let has_choice = parameters.active != parameters.total;
    let header: Vec<&str> = match has_choice {
        true => vec!["part", "parameters", "share", "active"],
        false => vec!["part", "parameters", "share"],
    };
    let row = |name: &str, all: u128, active: u128| {
        let share = format!("{:.1} %", 100.0 * all as f64 / parameters.total as f64);
        let mut row = vec![name.to_owned(), grouped(all), share];
        row.extend(has_choice.then(|| grouped(active)));
        row
    };
    let of = |part: &Part| row(&part.name, part.parameters, part.active);
    let (heads, parts): (Vec<_>, Vec<_>) = parameters.parts.iter().partition(|part| part.is_head);
    let mut rows: Vec<_> = parts.into_iter().map(of).collect();
    if let (Some(body), false) = (parameters.body, heads.is_empty()) {
        let active: u128 = heads.iter().map(|part| part.active).sum();
        rows.push(row("body", body, parameters.active - active));
        rows.extend(heads.into_iter().map(of));
    }
    rows.push(row("total", parameters.total, parameters.active));
    let mut beside = Vec::new();
    beside.extend(parameters.non_embedding.map(|count| ("without tables", grouped(count))));
    let apart = |part: &Part| format!("{} {}, not in the total", part.name, size(part.parameters));
    beside.extend(parameters.apart.iter().map(|part| ("apart", apart(part))));
    format!("{}\n{}", columns(&header, rows), facts(&beside))
}

/// The number of parameters of a part, if it is known.
fn size(parameters: u128) -> String {
    if parameters > 0 { grouped(parameters) } else { "of unknown size".to_owned() }
}

fn of_costs(costs: &Costs) -> Vec<(&'static str, String)> {
    let Costs { load, forward, forward_all_pairs, training, memory, assumptions } = costs;
    let flops = |operations: u128| scaled(operations as f64, "FLOP");
    let bytes = |bytes: u128| scaled(bytes as f64, "B");
    let split = |o: &Operations| {
        let parts = [("layers", o.layers), ("attention", o.attention), ("logits", o.logits)];
        let parts = parts.into_iter().filter(|(_, count)| *count > 0);
        parts.map(|(name, count)| format!("{name} {}", flops(count))).collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![
        ("load", format!("{} x {} tokens", load.batch, load.tokens)),
        ("forward", format!("{} ({})", flops(forward.total()), split(forward))),
    ];
    if forward_all_pairs != forward {
        lines.push(("", format!("{} where masked pairs are computed too", flops(forward_all_pairs.total()))));
    }
    lines.push(("training", format!("{} a step", flops(training.total()))));
    lines.push(("weights", bytes(memory.weights)));
    if memory.cache > 0 {
        let cross = match memory.cache_per_source_token {
            0 => String::new(),
            cross => format!(", {} bytes a token of the source", grouped(cross)),
        };
        let own = match memory.state_per_sequence {
            0 => format!("{} bytes a token", grouped(memory.cache_per_token)),
            state => format!("{} bytes a sequence", grouped(state)),
        };
        lines.push(("cache", format!("{own}{cross}; {} in all", bytes(memory.cache))));
    }
    let (layer, all) = (bytes(memory.scores_per_layer), bytes(memory.scores_all_layers));
    lines.push(("scores", format!("{layer} a layer, {all} in all layers")));
    lines.extend(labelled("assumed", assumptions.iter().cloned()));
    lines
}
