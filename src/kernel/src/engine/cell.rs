//! One cell: from the request to the reply.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;

use evcxr::{Error, EvalOutputs};
use jupyter_protocol::{
    ErrorOutput, ExecuteInput, ExecuteReply, ExecuteRequest, ExecuteResult, ExecutionCount, ExpressionResult,
    JupyterMessage, JupyterMessageContent, ReplyError, ReplyStatus, Status,
};
use serde_json::{Map, Value};

use super::failure::{self, Outcome};
use super::{ABORT_WINDOW, Engine, prelude};
use crate::server::Shared;
use crate::{open, times};

/// The answer to `:help`: three screens at most.
const HELP: &str = include_str!("help.md");

impl Engine {
    /// Runs a cell and answers its request; if it failed, what was queued with it is not run.
    pub(super) fn cell(
        &mut self,
        message: &JupyterMessage,
        request: &ExecuteRequest,
        queued: &Receiver<JupyterMessage>,
    ) {
        let wire = self.shared.wire.clone();
        wire.publish(Status::busy(), message);
        let is_kept = request.store_history && !request.silent;
        if is_kept {
            self.count += 1;
        }
        let execution_count = ExecutionCount::new(self.count);
        if !request.silent {
            wire.publish(ExecuteInput { code: request.code.clone(), execution_count }, message);
        }
        let code = request.code.trim();
        let (failed, payload) = match code.strip_prefix('?') {
            Some(name) => (None, self.page(name.trim())),
            None if code == ":help" => {
                self.show(message, request, &help());
                (None, Vec::new())
            }
            None => (self.run(message, request), Vec::new()),
        };
        if is_kept {
            open(&self.shared.history).push(self.count, &request.code);
        }
        if let Some(error) = failed.as_ref().filter(|_| !request.silent) {
            publish_error(&self.shared, message, error);
        }
        // Taken before the reply: who reads it and sends the next cell means that cell.
        let stop = failed.is_some() && request.stop_on_error;
        let waiting = if stop { take_waiting(queued) } else { Vec::new() };
        let (status, user_expressions) = match &failed {
            Some(_) => (ReplyStatus::Error, None),
            None => (ReplyStatus::Ok, Some(expressions(request))),
        };
        let error = failed.map(Box::new);
        wire.reply(ExecuteReply { status, execution_count, payload, user_expressions, error }, message);
        wire.publish(Status::idle(), message);
        times::begins("end");
        waiting.iter().for_each(|message| self.pass_over(message, queued));
        self.refresh();
    }

    /// Has the analysis read the manifest again, after a cell was stopped before it ran.
    fn refresh(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            self.ask(|context| context.completions("", 0));
        }
    }

    fn run(&mut self, message: &JupyterMessage, request: &ExecuteRequest) -> Option<ReplyError> {
        let code = request.code.as_str();
        if code.trim().is_empty() {
            return None;
        }
        let variables: Vec<String> =
            self.context.variables_and_types().map(|(name, _)| name.to_owned()).collect();
        self.forget_widgets(message);
        self.output.begin(Some(message), request.silent, request.allow_stdin, self.count);
        self.shared.progress.begin();
        times::begins("analysis");
        let result = self.execute(code);
        times::begins("reply");
        let ending = self.output.end(matches!(result, Err(Error::SubprocessTerminated(_))));
        let (interrupted, killed) = self.shared.progress.end();
        self.is_stale = interrupted && matches!(result, Err(Error::CompilationErrors(_) | Error::Message(_)));
        let outcome = Outcome { code, count: self.count, variables: &variables, interrupted, killed };
        let failed = match &result {
            Ok(outputs) => {
                let failed = outcome.of_ending(&ending);
                if failed.is_none() {
                    self.show(message, request, outputs);
                }
                failed
            }
            Err(error) => Some(outcome.of_error(error)),
        };
        if matches!(result, Err(Error::SubprocessTerminated(_))) {
            self.shared.widgets.close_all(&self.shared.wire, message);
            if !self.shared.progress.is_finished()
                && let Err(error) = self.run_hidden(prelude::START)
            {
                eprintln!("rankscope-kernel: the new process for cells: {error:#}");
            }
        }
        failed
    }

    fn execute(&mut self, code: &str) -> Result<EvalOutputs, Error> {
        let context = &mut self.context;
        let run = || context.execute(code);
        // rust-analyzer is large; a bug of its own must not take the notebook with it.
        let failed = "the analysis of this cell failed inside rust-analyzer; write it another way";
        let result = catch_unwind(AssertUnwindSafe(run));
        let result = result.unwrap_or_else(|_| Err(Error::Message(failed.into())));
        result.map_err(|error| self.with_its_place(error, code))
    }

    /// evcxr may keep a note ("function defined here") and drop the error it belongs to; a check finds the error.
    fn with_its_place(&mut self, error: Error, code: &str) -> Error {
        let Error::CompilationErrors(errors) = &error else { return error };
        if errors.iter().any(|error| error.level() == "error") {
            return error;
        }
        let checked = self.ask(|context| context.check(code));
        checked.filter(|found| !found.is_empty()).map_or(error, Error::CompilationErrors)
    }

    /// Publishes what evcxr itself has to show: the answers of its commands, such as `:vars`.
    fn show(&self, message: &JupyterMessage, request: &ExecuteRequest, outputs: &EvalOutputs) {
        if request.silent || outputs.is_empty() {
            return;
        }
        let trimmed = |(name, text): (&String, &String)| (name.clone(), Value::from(text.trim_end()));
        let data: Map<String, Value> = outputs.content_by_mime_type.iter().map(trimmed).collect();
        let data = serde_json::from_value(Value::Object(data)).unwrap_or_default();
        let execution_count = ExecutionCount::new(self.count);
        let result = ExecuteResult { execution_count, data, metadata: Map::new(), transient: None };
        self.shared.wire.publish(result, message);
    }

    /// A message that was queued behind a cell that failed: a cell is aborted, anything else is answered.
    fn pass_over(&mut self, message: &JupyterMessage, queued: &Receiver<JupyterMessage>) {
        if !matches!(message.content, JupyterMessageContent::ExecuteRequest(_)) {
            // A move that is taken out of the queue meanwhile is passed over too.
            let taken = self.handle(message, queued);
            return taken.iter().for_each(|taken| self.pass_over(taken, queued));
        }
        let wire = &self.shared.wire;
        wire.publish(Status::busy(), message);
        let execution_count = ExecutionCount::new(self.count);
        let status = ReplyStatus::Aborted;
        wire.reply(ExecuteReply { status, execution_count, ..ExecuteReply::default() }, message);
        wire.publish(Status::idle(), message);
    }
}

/// What there is: instead of evcxr's own page, which is about its commands.
fn help() -> EvalOutputs {
    let mut page = EvalOutputs::new();
    page.content_by_mime_type =
        ["text/plain", "text/markdown"].map(|kind| (kind.to_owned(), HELP.to_owned())).into();
    page
}

/// Shows an error below the cell.
pub(super) fn publish_error(shared: &Shared, message: &JupyterMessage, error: &ReplyError) {
    let ReplyError { ename, evalue, traceback } = error.clone();
    shared.wire.publish(ErrorOutput { ename, evalue, traceback }, message);
}

fn take_waiting(queued: &Receiver<JupyterMessage>) -> Vec<JupyterMessage> {
    let mut waiting = Vec::new();
    while let Ok(message) = queued.recv_timeout(ABORT_WINDOW) {
        waiting.push(message);
    }
    waiting
}

/// Front ends may ask for expressions to be evaluated after a cell; a compiler is too slow for that.
fn expressions(request: &ExecuteRequest) -> HashMap<String, ExpressionResult> {
    let names = request.user_expressions.iter().flatten().map(|(name, _)| name.clone());
    let refuse = |name| {
        let error = failure::error("Unsupported", "this kernel does not evaluate user expressions", vec![]);
        let ReplyError { ename, evalue, traceback } = error;
        (name, ExpressionResult::Error { ename, evalue, traceback })
    };
    names.map(refuse).collect()
}
