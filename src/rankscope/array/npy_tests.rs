//! `.npy` files, valid and malformed.

use ndarray::{Array2, array};

use super::read_matrix_from;
use crate::error::Result;

fn file(version: u8, header: &str, numbers: &[u8]) -> Vec<u8> {
    let length = (header.len() as u32).to_le_bytes();
    let length = if version == 1 { &length[..2] } else { &length };
    [b"\x93NUMPY", &[version, 0][..], length, header.as_bytes(), numbers].concat()
}

fn read(bytes: &[u8]) -> Result<Array2<f64>> {
    read_matrix_from("matrix.npy".as_ref(), bytes)
}

#[test]
fn every_layout_of_every_version_is_the_same_matrix() {
    let matrix = array![[0.5, -2.0, 3.0], [4.0, 5.0, 1.0 / 64.0]];
    let by_rows: Vec<f64> = matrix.iter().copied().collect();
    let by_columns: Vec<f64> = matrix.t().iter().copied().collect();
    for (order, values) in [("False", by_rows), ("True", by_columns)] {
        let numbers: [(&str, Vec<u8>); 4] = [
            ("<f4", values.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect()),
            (">f4", values.iter().flat_map(|&x| (x as f32).to_be_bytes()).collect()),
            ("<f8", values.iter().flat_map(|x| x.to_le_bytes()).collect()),
            (">f8", values.iter().flat_map(|x| x.to_be_bytes()).collect()),
        ];
        for (descr, bytes) in numbers {
            for version in 1..=3 {
                let header =
                    format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': (2, 3), }}   \n");
                assert_eq!(read(&file(version, &header, &bytes)).unwrap(), matrix, "{header}");
            }
        }
    }
    // Without the last comma, with other quotes and another order: still a Python dictionary.
    let header = r#"{"shape":(1,1),"fortran_order":False,"descr":"<f8"}"#;
    assert_eq!(read(&file(1, header, &2.5f64.to_le_bytes())).unwrap(), array![[2.5]]);
}

#[test]
fn what_is_wrong_is_said_in_one_short_line() {
    let header = |shape: &str| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let of = |shape: &str, bytes: usize| file(1, &header(shape), &vec![0; bytes]);
    let broken = "{'descr': '\n<i4', 'fortran_order': False, 'shape': (1, 1)}";
    let cases = [
        (b"".to_vec(), "not a .npy file"),
        (file(4, &header("(1, 1)"), &[0; 8]), "version 1, 2 or 3"),
        (of("(2, 3)", 47), "cut off: 47 bytes of 48"),
        (of("(2, 3)", 49), "goes on after the 6 entries"),
        (of("(2,)", 16), "1 dimensions, expected a matrix"),
        (of("()", 8), "0 dimensions, expected a matrix"),
        (of("(0, 3)", 0), "[0, 3], expected at least one row"),
        (of("(2, -3)", 48), "its header is"),
        (of("(2, 3", 48), "its header is"),
        (of("(4294967296, 4294967296)", 0), "more than fits in memory"),
        (of("(99999999999999999999, 1)", 0), "its header is"),
        (file(1, "{'descr': '<f8', 'shape': (1, 1)}", &[0; 8]), "its header is"),
        (file(1, broken, &[]), r"\n<i4'), expected numbers"),
    ];
    for (bytes, part) in cases {
        let said = read(&bytes).unwrap_err().to_string();
        assert!(said.starts_with("matrix.npy: ") && said.contains(part), "{said:?} lacks {part:?}");
        assert!(said.len() < 250 && !said.contains('\n'), "{said:?}");
    }
}

#[test]
fn a_few_bytes_cannot_ask_for_much_memory_or_time() {
    // Twelve bytes that announce a header of 4 GiB.
    let said = read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap_err().to_string();
    assert!(said.contains("a header of 4294967295 bytes, expected at most 10000"), "{said}");
    // A header that announces numbers of 8 TiB, of which the file has none.
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1048576, 1048576)}";
    assert!(read(&file(1, header, &[])).unwrap_err().to_string().contains("cut off: 0 bytes"));
    // Nested literals, for which a general parser of Python takes time exponential in their depth.
    for nest in ["((((((((", "{{{{{{{{", "[[[[[[[["] {
        assert!(read(&file(1, &nest.repeat(1000), &[])).is_err());
    }
}
