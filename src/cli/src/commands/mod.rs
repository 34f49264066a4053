//! One module for each subcommand.

mod claims;
mod count;
mod devices;
mod generate;
mod kernels;
mod loss;
mod masks;
mod models;
mod rank;
mod runs;
mod scaling;
mod tasks;
mod tokenizer;
mod trace;
mod train;
mod twin;

use anyhow::Result;
use clap::Subcommand;
use rankscope::Run;

#[derive(Subcommand)]
pub enum Command {
    /// Report the ranks of attention matrices: of a model's heads, or of one matrix in a file
    Rank(rank::RankArgs),
    /// Write every intermediate of a forward pass to a safetensors file
    Trace(trace::TraceArgs),
    /// Continue a text, token by token
    Generate(generate::GenerateArgs),
    /// Say how well a model predicts what follows a prefix, under any mask
    Loss(loss::LossArgs),
    /// Train a small transformer on a text or a task
    Train(train::TrainArgs),
    /// Train runs that differ in one setting alone, and measure their difference
    Twin(twin::TwinArgs),
    /// Train one model at several widths, and fit the power by which its loss falls
    Scaling(scaling::ScalingArgs),
    /// List, show, compare, draw, merge, export and remove trained runs
    Runs(runs::RunsArgs),
    /// Make a tokenizer: of bytes, of characters, or learned from a text
    Tokenizer(tokenizer::TokenizerArgs),
    /// Put the claims of the popular account on trial: experiments, evidence for and against, verdicts
    Claims(claims::ClaimsArgs),
    /// Count parameters, operations and bytes of published sizes or of a config.json
    Count(count::CountArgs),
    /// List masks, draw one, and say what it implies
    Masks(masks::MasksArgs),
    /// List tasks that models are trained on, and show examples of one
    Tasks(tasks::TasksArgs),
    /// List, pull, add and remove models
    Models(models::ModelsArgs),
    /// List graphics adapters, and say which device would be used and why
    Devices(devices::DevicesArgs),
    /// List, show and time the GPU kernels
    Kernels(kernels::KernelsArgs),
}

impl Command {
    pub fn execute(self, run: &Run) -> Result<()> {
        match self {
            Command::Rank(args) => rank::execute(&args, run),
            Command::Trace(args) => trace::execute(&args, run),
            Command::Generate(args) => generate::execute(&args, run),
            Command::Loss(args) => loss::execute(&args, run),
            Command::Train(args) => train::execute(&args, run),
            Command::Twin(args) => twin::execute(&args, run),
            Command::Scaling(args) => scaling::execute(&args, run),
            Command::Runs(args) => runs::execute(&args),
            Command::Tokenizer(args) => tokenizer::execute(&args),
            Command::Claims(args) => claims::execute(&args, run),
            Command::Count(args) => count::execute(&args),
            Command::Masks(args) => masks::execute(&args),
            Command::Tasks(args) => tasks::execute(&args),
            Command::Models(args) => models::execute(&args, run),
            Command::Devices(args) => devices::execute(&args),
            Command::Kernels(args) => kernels::execute(&args, run),
        }
    }
}
