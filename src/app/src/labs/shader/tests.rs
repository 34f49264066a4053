//! Every kernel in the lab, mistakes in its source, and runs in a process of their own.

use super::state::{Edit, Shader, kernels};
use crate::lab::{State, answered};

fn has_gpu() -> bool {
    std::env::var_os("RANKSCOPE_SKIP_GPU").is_none_or(|value| value.is_empty())
}

#[test]
fn every_kernel_of_a_ladder_can_be_taken() {
    let mut state = Shader::default();
    let mut count = 0;
    for (ladder, variant) in kernels() {
        state.update(Edit::Kernel { op: ladder.op.into(), variant: variant.name.into() }).unwrap();
        state.check().unwrap();
        let answer = answered(&state, &mut ()).unwrap();
        assert_eq!(answer.problem.get(), Some(&None), "{} {}", ladder.op, variant.name);
        assert!(answer.found.get().is_none(), "nothing runs before it is asked for");
        count += 1;
    }
    assert!(count > 15, "{count}");
    for (op, variant, part) in [("matmull", "tiled", "matmul"), ("matmul", "tield", "tiled")] {
        let wrong = Shader { op: op.into(), variant: variant.into(), ..Shader::default() };
        assert!(wrong.check().unwrap_err().contains(part));
    }
}

#[test]
fn a_mistake_is_found_at_its_line_and_nothing_is_run() {
    let mut state = Shader::default();
    let shipped = state.source().to_owned();
    let line = shipped.lines().position(|line| line.contains("fn main(")).unwrap();
    state.update(Edit::Source(shipped.replacen("fn main(", "fn main((", 1))).unwrap();
    state.update(Edit::Run).unwrap();
    let answer = answered(&state, &mut ()).unwrap();
    let problem = answer.problem.get().unwrap().as_ref().unwrap();
    assert_eq!(problem.line, Some(line + 1));
    assert!(answer.found.get().is_none());
    state.update(Edit::Source(shipped)).unwrap();
    assert_eq!(state, Shader::default(), "the shipped source again, and not run");
    for edit in [Edit::Size(0), Edit::Size(5000), Edit::Limit(0), Edit::Source("x".repeat(300_000))] {
        let mut wrong = state.clone();
        let problem = wrong.update(edit).and_then(|()| wrong.check()).unwrap_err();
        assert!(problem.contains("expected"), "{problem}");
    }
}

/// In a process of its own: the shipped source is right, one that adds a little is wrong, and both are timed.
#[test]
fn a_changed_kernel_is_compared_with_the_cpu() {
    if !has_gpu() {
        return;
    }
    let mut state = Shader { op: "rms_norm".into(), variant: "naive".into(), size: 33, ..Shader::default() };
    if state.kernel().is_err() {
        state.variant = kernels().find(|(ladder, _)| ladder.op == "rms_norm").unwrap().1.name.into();
    }
    state.update(Edit::Run).unwrap();
    let answer = answered(&state, &mut ()).unwrap();
    let found = answer.found.get().unwrap();
    assert_eq!(found.failure, None);
    let shipped = found.shipped.unwrap();
    assert!(
        shipped.is_right() && shipped.micros > 0.0 && found.changed.is_none() && found.device.contains("gpu")
    );

    let wrong = state.source().replace("sqrt(", "0.5 + sqrt(");
    assert_ne!(wrong, state.source());
    state.update(Edit::Source(wrong)).unwrap();
    state.update(Edit::Run).unwrap();
    let answer = answered(&state, &mut ()).unwrap();
    let found = answer.found.get().unwrap();
    assert_eq!(found.failure, None);
    assert!(found.shipped.unwrap().is_right());
    let changed = found.changed.unwrap();
    assert!(!changed.is_right() && changed.max_error.unwrap() > 1e-3);
    let exports = state.exports(&answer, &serde_json::json!({}));
    assert_eq!(exports[0].numbers.as_ref().unwrap().values.dim(), (2, 4));
}

/// A run that takes longer than its limit is ended with its process, and the lab goes on.
#[test]
fn a_kernel_that_does_not_end_is_ended() {
    if !has_gpu() {
        return;
    }
    let mut state = Shader { variant: "naive".into(), size: 2048, limit: 1, ..Shader::default() };
    state.update(Edit::Run).unwrap();
    let start = std::time::Instant::now();
    let answer = answered(&state, &mut ()).unwrap();
    let failure = answer.found.get().unwrap().failure.as_ref().unwrap();
    assert!(failure.contains("within 1 s"), "{failure}");
    assert!(start.elapsed().as_secs() < 90);
}
