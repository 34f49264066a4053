//! `.npy` files: a matrix and its ranks, or an error in one line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rankscope::array::read_matrix_from;
use rankscope::rank::RankReport;
use rankscope_fuzz::check_error;

fuzz_target!(|bytes: &[u8]| {
    let matrix = match read_matrix_from("matrix.npy".as_ref(), bytes) {
        Ok(matrix) => matrix,
        Err(error) => return check_error(&error),
    };
    assert!(!matrix.is_empty() && matrix.len() < bytes.len());
    if matrix.len() > 64 {
        return;
    }
    match RankReport::of(matrix.view(), None) {
        Err(error) => check_error(&error),
        Ok(report) => {
            let most = matrix.nrows().min(matrix.ncols());
            assert!(
                report.numerical_rank_f32 <= report.numerical_rank_f64 && report.numerical_rank_f64 <= most
            );
            assert!(report.effective_rank <= most as f64 * 1.001 && report.columns_90 <= matrix.ncols());
        }
    }
});
