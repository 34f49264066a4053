//! `.npy` files: a matrix and its ranks, or an error in one line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rankscope::array::read_matrix_from;
use rankscope::rank::RankReport;
use rankscope_fuzz::checked;

fuzz_target!(|bytes: &[u8]| {
    let Some(matrix) = checked(read_matrix_from("matrix.npy".as_ref(), bytes)) else { return };
    assert!(!matrix.is_empty() && matrix.len() < bytes.len());
    if matrix.len() > 64 {
        return;
    }
    if let Some(report) = checked(RankReport::of(matrix.view(), None)) {
        let most = matrix.nrows().min(matrix.ncols());
        assert!(report.numerical_rank_f32 <= report.numerical_rank_f64);
        assert!(report.numerical_rank_f64 <= most);
        assert!(report.effective_rank <= most as f64 * 1.001 && report.columns_90 <= matrix.ncols());
    }
});
