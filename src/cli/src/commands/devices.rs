//! `rankscope devices`: the devices of this machine, which of them would compute, and why.

use anyhow::Result;
use clap::Args;
use rankscope::device::{Adapter, DevicePlan, DeviceRequest, adapters};
use serde_json::json;

use crate::output::{emit, emit_json, facts};
use rankscope::numbers::scaled;

const RULE: &str = "\
Unless told otherwise (--device, or RANKSCOPE_DEVICE=cpu|gpu|auto), a hardware \
GPU computes if there is one, and otherwise the CPU. A software adapter is \
slower than the CPU and is used only when a GPU is asked for.";

#[derive(Args)]
#[command(after_help = RULE)]
pub struct DevicesArgs {
    /// Print an object
    #[arg(long)]
    json: bool,
}

pub fn execute(args: &DevicesArgs) -> Result<()> {
    let request = DeviceRequest::from_env()?;
    let adapters = adapters();
    let plan = DevicePlan::new(request, &adapters)?;
    if args.json {
        return emit_json(&json!({ "adapters": adapters, "used": plan }));
    }
    let used = plan.adapter.map_or_else(|| "cpu".to_owned(), |index| format!("gpu {index}"));
    let mut paragraphs =
        vec![facts(&[("used     ", format!("{used}: {} (asked for: {request})", plan.why))])];
    if adapters.is_empty() {
        paragraphs.push(facts(&[("adapters ", "none".to_owned())]));
    }
    paragraphs.extend(adapters.iter().enumerate().map(|(index, adapter)| paragraph(index, adapter)));
    emit(&paragraphs.join("\n"))
}

fn paragraph(index: usize, adapter: &Adapter) -> String {
    let Adapter { limits, features, .. } = adapter;
    let kind = format!("{:?}", adapter.kind).to_lowercase();
    let has = [("timestamps", features.timestamps), ("subgroups", features.subgroups), ("f16", features.f16)];
    let has: Vec<_> = has.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
    let has = if has.is_empty() { "none of timestamps, subgroups, f16".to_owned() } else { has.join(", ") };
    let bytes = |bytes: u64| scaled(bytes as f64, "B");
    let [tensor, buffer] = [limits.max_storage_binding_bytes, limits.max_buffer_bytes].map(bytes);
    let shared = bytes(u64::from(limits.max_workgroup_storage_bytes));
    let (invocations, groups) = (limits.max_workgroup_invocations, limits.max_workgroups_per_dimension);
    facts(&[
        (&format!("gpu {index}"), adapter.name.clone()),
        ("type", kind),
        ("driver", format!("{} {} ({})", adapter.driver, adapter.driver_info, adapter.backend)),
        ("largest", format!("tensor {tensor}, buffer {buffer}")),
        ("workgroup", format!("{invocations} invocations, {shared} shared, {groups} a dimension")),
        ("features", has),
    ])
}
