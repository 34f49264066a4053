//! **rankscope-kernel**: a Jupyter kernel for Rust cells, with rankscope loaded.
//!
//! # Processes and threads
//! One kernel is one process with two halves. The *protocol* (tokio, `server/`) owns the five sockets, answers
//! what needs no engine at once, and queues the rest. The *engine* (one plain thread, `engine/`) owns evcxr's
//! `CommandContext`: it takes one request at a time, compiles the cell, and lets the *child*, a second process of
//! this same binary, load and run it. Variables live in the child. A third thread (`output/`) reads what the
//! child prints and publishes it while the cell runs.
//!
//! ```text
//! Jupyter ── sockets ── server ── queue ── engine ── rustc, linker ── cell.so
//!                         │                  │                          │
//!                         └──── iopub ◄── output ◄── stdout, stderr ── child
//! ```
//!
//! `kernel_info` is answered as soon as the sockets are bound; the engine warms up meanwhile, and cells wait in the
//! queue. The state (`warming`, `ready`, `running`, `failed`) is in a file that `rankscope-kernel status` reads.
//!
//! # What cells see
//! Cells write `use rankscope::prelude::*`. Behind that name stand one prebuilt shared library and a facade, both
//! made at install (`library/`). In the facade rustc sees one `pub use` of the shared library, rust-analyzer
//! (`cfg(rust_analyzer)`) the library's own sources, and those of ndarray, whose types stand in its signatures. So
//! the compiler gets the whole API, and the analysis does not have to load wgpu, naga and two hundred crates more.
//! As the library is one shared object, its statics (the GPU's device, the flag of an interrupt) exist once for all
//! cells. Of the standard library the analysis reads a copy without intrinsics and tests (`library/standard.rs`):
//! that halves its time and its memory.
//!
//! # How a cell is compiled
//! evcxr has cargo build every cell. The programs in `compile/` stand in for cargo: they note once how cargo starts
//! rustc, and then start rustc and a linker themselves, as long as only the cell's code changes. What evcxr puts
//! around every cell is compiled once, in the shared library. A cell that does not compile this way is compiled by
//! cargo, so errors are always cargo's. `times.rs` notes how long each step takes, for `cargo xtask bench --kernel`.
//!
//! # Workspaces
//! evcxr builds in a folder of its own. Install makes a template by running the engine once; every kernel copies
//! it, works in its copy, and removes it on exit. Folders whose process is gone are swept at the next start.
//!
//! # What a cell says
//! evcxr talks to the child over its standard streams. The child gives cells other streams (`cells/`): pipes for the
//! text of cells and of the programs that they start, as any bytes, and a socket for the library's messages: displays,
//! results, panics, errors that `?` returned, and stderr in order with them. So text is never taken for a message.
//! Each message waits until the text before it is published; `print!` and its siblings are replaced by versions
//! without a buffer. Where a cell reads its standard input, the front end asks for a line.
//!
//! # The same everywhere
//! A Jupyter that was not started by cargo has none of cargo's variables. Install notes the compiler that made the
//! library (`toolchain.rs`); the kernel uses that one, and tells the child where libstd is. `install` and `status`
//! run a test cell in an environment of a handful of variables (`trial.rs`).
//!
//! # Interrupts
//! An interrupt is a SIGINT to the kernel's process group, as Ctrl-C is in a terminal. In the child the library's
//! handler raises the cancel flag of every `Run`; programs that the cell has started end, and while the cell is still
//! being compiled, so do cargo and rustc. The signal is repeated ten times a second until the cell is done. A cell whose
//! code ignores it for three seconds is killed, and the error says which variables are lost; a cell that has not
//! begun to run loses none. An interrupt has to wait for two things: one matrix decomposition or product, which LAPACK
//! does not interrupt, and rust-analyzer when a `:dep` makes it read new crates. SIGUSR1 lowers the flag before each
//! cell. The child dies with the kernel (`PR_SET_PDEATHSIG`), the kernel with Jupyter.
//!
//! # The warm spare
//! rust-analyzer takes nearly all of the time to a first cell, for the standard library. A spare is a process of the
//! same program that has done this before (`spare/`): it waits at a Unix socket with a warm engine and its child, takes
//! over the connection file, the folder and the environment of the next kernel, and serves it. There is one while
//! enough memory is available, unless `rankscope-kernel spare on` or `spare off` has decided.
//! The process that Jupyter started stays as a relay: each ends with the other.

mod args;
mod cells;
mod code;
mod compile;
mod engine;
mod history;
mod home;
mod install;
mod kernel;
mod library;
mod output;
mod server;
mod spare;
mod spec;
mod surroundings;
mod times;
mod toolchain;
mod trial;
mod widgets;
mod workspace;

use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The content of a mutex, also after a thread has panicked that held it.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> ExitCode {
    // Does not return where this process stands in for cargo, ...
    compile::run_if_asked();
    // ... runs cells, ...
    cells::run_if_asked();
    // ... or wraps rustc.
    evcxr::runtime_hook();
    match args::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rankscope-kernel: {error:#}");
            ExitCode::FAILURE
        }
    }
}
