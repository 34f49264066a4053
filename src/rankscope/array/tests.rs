//! Files of every kind, valid and malformed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use ndarray::array;
use safetensors::tensor::{Dtype, TensorView};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::error::Result;

/// A `.npy` file of version 1.
pub fn npy(descr: &str, column_major: bool, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let order = if column_major { "True" } else { "False" };
    let header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), numbers].concat()
}

/// A `.npz` file of these arrays.
pub fn npz(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut writer = ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<Array> {
        ArrayFile::open(&self.put(name, bytes))?.one(None)
    }

    fn said(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let said = self.read(name, bytes).unwrap_err().to_string();
        assert!(said.contains(name) && !said.contains('\n') && said.chars().count() < 300, "{said:?}");
        said.split_once(name).unwrap().1.to_owned()
    }
}

/// The bytes of numbers, little-endian.
macro_rules! bytes {
    ($kind:ty, $values:expr) => {
        $values.iter().flat_map(|&value| (value as $kind).to_le_bytes()).collect::<Vec<u8>>()
    };
}

#[test]
fn every_real_type_is_read_without_loss_in_either_byte_order() {
    let folder = Folder::new();
    let values = [0.0, 1.0, 3.0, 100.0, 7.0, 64.0];
    let half = |to: fn(f64) -> [u8; 2]| values.iter().flat_map(|&value| to(value)).collect::<Vec<u8>>();
    let cases: [(&[&str], Vec<u8>); 12] = [
        (&["i1", "int8"], bytes!(i8, values)),
        (&["u1", "B"], bytes!(u8, values)),
        (&["i2"], bytes!(i16, values)),
        (&["u2"], bytes!(u16, values)),
        (&["i4", "int32"], bytes!(i32, values)),
        (&["u4"], bytes!(u32, values)),
        (&["i8"], bytes!(i64, values)),
        (&["u8"], bytes!(u64, values)),
        (&["f2", "half"], half(|value| f16::from_f64(value).to_le_bytes())),
        (&["f4"], bytes!(f32, values)),
        (&["f8", "float64", "double"], bytes!(f64, values)),
        (&["f16", "longdouble"], values.iter().flat_map(|&value| x87(value, [0; 6])).collect()),
    ];
    for (codes, bytes) in cases {
        let size = bytes.len() / values.len();
        let swapped: Vec<u8> = bytes.chunks(size).flat_map(|number| number.iter().rev()).copied().collect();
        for code in codes {
            for (order, bytes) in [("<", &bytes), ("=", &bytes), ("", &bytes), (">", &swapped)] {
                let file = npy(&format!("'{order}{code}'"), false, "(2, 3)", bytes);
                let array = folder.read("a.npy", file).unwrap();
                assert_eq!(array.matrix(0), array![[0.0, 1.0, 3.0], [100.0, 7.0, 64.0]], "{order}{code}");
                assert_eq!((array.rounded(0), array.name()), (None, "a"));
            }
        }
    }
    let truth = folder.read("b.npy", npy("'|b1'", false, "(1, 3)", &[1, 0, 1])).unwrap();
    assert_eq!((truth.matrix(0), truth.number()), (array![[1.0, 0.0, 1.0]], Number::Bool));
}

/// The 80 bits of x87, padded to 16 bytes with anything.
fn x87(value: f64, padding: [u8; 6]) -> [u8; 16] {
    let (mantissa, exponent) = match value {
        0.0 => (0, 0),
        value => (value.to_bits() << 11 | 1 << 63, (value.to_bits() >> 52 & 0x7ff) as u16 + 16383 - 1023),
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&mantissa.to_le_bytes());
    bytes[8..10].copy_from_slice(&exponent.to_le_bytes());
    bytes[10..].copy_from_slice(&padding);
    bytes
}

#[test]
fn longdouble_is_read_whatever_its_padding_holds_and_refused_where_it_is_of_another_machine() {
    let folder = Folder::new();
    let read = |numbers: &[[u8; 16]]| {
        let shape = format!("(1, {})", numbers.len());
        folder.read("a.npy", npy("'<f16'", false, &shape, &numbers.concat()))
    };
    let garbage = [0xd4, 0xa5, 0x47, 0x7f, 0, 0];
    let array = read(&[x87(0.1, garbage), x87(0.0, garbage), x87(1.0, [0; 6])]).unwrap();
    assert_eq!((array.matrix(0), array.rounded(0)), (array![[0.1, 0.0, 1.0]], None));
    // A mantissa with one bit more than that of f64.
    let mut fine = x87(1.0, [0; 6]);
    fine[0] = 1;
    let array = read(&[x87(2.0, [0; 6]), fine]).unwrap();
    let rounded = array.rounded(0).unwrap();
    assert_eq!((array.matrix(0)[(0, 1)], rounded.count, rounded.place), (1.0, 1, (0, 1)));
    assert_eq!(rounded.value, "9223372036854775809·2^-63");
    // 1 and ½ in IEEE's 128 bits: sign and exponent stand in the last two bytes.
    let ieee = |exponent: u16| {
        let mut bytes = [0; 16];
        bytes[14..].copy_from_slice(&exponent.to_le_bytes());
        bytes
    };
    let said = read(&[ieee(16383), ieee(16382)]).unwrap_err().to_string();
    assert!(said.ends_with("longdouble of another kind of machine than x86; save it as float64"), "{said}");
}

#[test]
fn integers_beyond_f64_are_rounded_and_said_to_be() {
    let folder = Folder::new();
    let numbers = bytes!(i64, [1i64 << 53, (1 << 53) + 1, -(1 << 53) - 1, 5]);
    let array = folder.read("a.npy", npy("'<i8'", false, "(2, 2)", &numbers)).unwrap();
    let rounded = array.rounded(0).unwrap();
    let expected =
        "2 entries are beyond the 53 bits of f64 and rounded, the first 9007199254740993 at (0, 1)";
    assert_eq!(rounded.to_string(), expected);
    assert_eq!(array.matrix(0)[(0, 1)], 9007199254740992.0);
    let numbers = bytes!(u64, [u64::MAX]);
    let array = folder.read("a.npy", npy("'<u8'", false, "(1, 1)", &numbers)).unwrap();
    assert_eq!(array.rounded(0).unwrap().value, "18446744073709551615");
    let array = folder.read("a.csv", "9007199254740993,1\n").unwrap();
    assert_eq!((array.rounded(0).unwrap().place, array.number()), ((0, 0), Number::I64));
}

#[test]
fn headers_of_python_2_and_of_other_writers_are_read() {
    let folder = Folder::new();
    let numbers = bytes!(f64, [1.0, 2.0, 3.0]);
    for (descr, shape) in [("'<f8'", "(3L, 1L)"), ("\"<f8\"", "( 3 ,1 )"), ("u'<f8'", "(3L,1L,)")] {
        let array = folder.read("a.npy", npy(descr, false, shape, &numbers)).unwrap();
        assert_eq!(array.matrix(0), array![[1.0], [2.0], [3.0]], "{descr} {shape}");
    }
}

#[test]
fn what_is_no_real_number_is_refused_by_name() {
    let folder = Folder::new();
    let cases = [
        ("'<c16'", "complex numbers ('<c16'), expected real ones"),
        ("'<c8'", "complex numbers"),
        ("'|O'", "Python objects (a pickle, which is never executed)"),
        ("[('w', '<f8'), ('i', '<i4')]", "a structured array"),
        ("'<U5'", "text, expected numbers"),
        ("'|S3'", "text, expected numbers"),
        ("'<M8[s]'", "dates or spans of time"),
        ("'<m8[ns]'", "dates or spans of time"),
        ("'|V2'", "raw bytes, two each (bfloat16 perhaps)"),
        ("'|V8'", "raw bytes"),
        ("'<x4'", "entries of an unknown type ('<x4'), expected numbers"),
    ];
    for (descr, part) in cases {
        let said = folder.said("a.npy", npy(descr, false, "(2, 2)", &[0; 64]));
        assert!(said.contains(part), "{descr}: {said}");
    }
}

#[test]
fn a_batch_is_many_matrices_in_either_order() {
    let folder = Folder::new();
    // a[i, j, k, l] = 1000 i + 100 j + 10 k + l over [2, 3, 2, 4].
    let value = |place: [usize; 4]| place.iter().fold(0, |value, index| 10 * value + index) as f64;
    let places = |order: [usize; 4]| {
        let sizes = [2, 3, 2, 4];
        let count: usize = sizes.iter().product();
        (0..count).map(move |mut flat| {
            let mut place = [0; 4];
            for axis in order {
                place[axis] = flat % sizes[axis];
                flat /= sizes[axis];
            }
            place
        })
    };
    for (column_major, order) in [(false, [3, 2, 1, 0]), (true, [0, 1, 2, 3])] {
        let numbers: Vec<u8> = places(order).flat_map(|place| value(place).to_le_bytes()).collect();
        let array = folder.read("a.npy", npy("'<f8'", column_major, "(2, 3, 2, 4)", &numbers)).unwrap();
        assert_eq!((array.matrices(), array.sides()), (6, Some((2, 4))));
        assert_eq!(array.place(5), [1, 2]);
        let last = array![[1200.0, 1201.0, 1202.0, 1203.0], [1210.0, 1211.0, 1212.0, 1213.0]];
        assert_eq!(array.matrix(5), last);
    }
}

#[test]
fn an_archive_lists_its_arrays_and_gives_the_one_that_is_named() {
    let folder = Folder::new();
    let path = folder.0.path().join("a.npz");
    let letters: Vec<u8> = "ab爱".chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
    let arrays = [
        ("arr_10.npy", npy("'<f4'", false, "(1, 2)", &bytes!(f32, [3.0, 4.0]))),
        ("arr_9.npy", npy("'<f4'", false, "(1, 2)", &bytes!(f32, [1.0, 2.0]))),
        ("tokens.npy", npy("'<U1'", false, "(3,)", &letters)),
    ];
    npz(&path, &arrays);
    let mut file = ArrayFile::open(&path).unwrap();
    assert_eq!(file.one(Some("arr_9")).unwrap().matrix(0), array![[1.0, 2.0]]);
    assert_eq!(file.one(Some("arr_10")).unwrap().matrix(0), array![[3.0, 4.0]]);
    assert_eq!(file.strings("tokens").unwrap().unwrap(), ["a", "b", "爱"]);
    let said = file.one(None).unwrap_err().to_string();
    let list = "arr_10 (f32 [1, 2]), arr_9 (f32 [1, 2]), tokens (text [3])";
    assert!(said.ends_with(&format!("holds 3 arrays; choose one by its name: {list}")), "{said}");
    let said = file.one(Some("w")).unwrap_err().to_string();
    assert!(said.ends_with(&format!("holds no array w, but {list}")), "{said}");
    let said = file.one(Some("tokens")).unwrap_err().to_string();
    assert!(said.ends_with("tokens: text, expected numbers"), "{said}");
    npz(&path, &[("x/data.pkl", vec![0x80, 2]), ("x/data/0", vec![0; 8])]);
    let said = ArrayFile::open(&path).err().unwrap().to_string();
    assert!(said.contains("torch.save: a pickle, which is never executed"), "{said}");
}

#[test]
fn tensors_of_every_real_type_are_read_and_others_named() {
    let folder = Folder::new();
    let half: Vec<u8> = [0.5, -3.0].iter().flat_map(|&value| bf16::from_f64(value).to_le_bytes()).collect();
    let views = [
        ("w", TensorView::new(Dtype::BF16, vec![2, 1], &half).unwrap()),
        ("mask", TensorView::new(Dtype::BOOL, vec![1, 2], &[0, 1]).unwrap()),
        ("eight", TensorView::new(Dtype::F8_E4M3, vec![1, 2], &[0, 1]).unwrap()),
    ];
    let metadata = [("tokens".to_owned(), "[\"a\"]".to_owned())].into();
    let bytes = safetensors::serialize(views, Some(metadata)).unwrap();
    let mut file = ArrayFile::open(&folder.put("a.safetensors", &bytes)).unwrap();
    assert_eq!(file.one(Some("w")).unwrap().matrix(0), array![[0.5], [-3.0]]);
    assert_eq!(file.one(Some("mask")).unwrap().matrix(0), array![[0.0, 1.0]]);
    assert_eq!(file.text("tokens"), Some("[\"a\"]"));
    let said = file.one(Some("eight")).unwrap_err().to_string();
    assert!(said.contains("eight: numbers of type F8_E4M3, expected F64"), "{said}");
    let said = folder.said("cut.safetensors", &bytes[..bytes.len() - 1]);
    assert!(said.contains("bytes, expected") && said.contains("not a whole safetensors file"), "{said}");
}

#[test]
fn tables_are_read_with_any_separator_with_and_without_names() {
    let folder = Folder::new();
    let expected = array![[1.0, -2.5, 3e-2], [4.0, 5.0, 6.0]];
    let texts = [
        "1,-2.5,3e-2\n4,5,6\n",
        "1;-2.5;3e-2\r\n4;5;6",
        "1\t-2.5\t3e-2\n\n4\t5\t6\n",
        "# from numpy.savetxt\n  1  -2.5 3e-2\n4 5 6\n",
        "\u{feff}a,b,c\n1,-2.5,3e-2\n4,5,6\n",
        ",0,1,2\n0,1,-2.5,3e-2\n1,4,5,6\n",
        "\"x\",\"y\",\"z\"\n\"1\",\"-2.5\",\"3e-2\"\n4,5,6\n",
        "the 1 -2.5 3e-2\ncat 4 5 6\n",
    ];
    for text in texts {
        assert_eq!(folder.read("a.txt", text).unwrap().matrix(0), expected, "{text:?}");
    }
    let file = ArrayFile::open(&folder.put("b.csv", ",the,cat,sat\nthe,1,2,3\ncat,4,5,6\n")).unwrap();
    let (rows, columns) = file.names();
    assert_eq!(rows.unwrap(), ["the", "cat"]);
    assert_eq!(columns.unwrap(), ["the", "cat", "sat"]);
}

#[test]
fn what_is_wrong_in_a_table_is_named_by_line_and_column() {
    let folder = Folder::new();
    let cases = [
        ("1,2\n3,x\n", "line 2, column 2: \"x\", expected a number"),
        ("1,x\n3,4\n", "line 1, column 2: \"x\", expected a number"),
        ("1,2\n3\n", "line 2 has 1 columns, expected 2 as line 1 has"),
        ("# a\n\n1,2\n3,\n", "line 4, column 2: \"\", expected a number"),
        ("0,5;1,5\n1,5;2,0\n", "line 1, column 1: \"0,5\", expected a point for the decimals"),
        ("1+2j 3\n4 5\n", "line 1, column 1: \"1+2j\", expected a number"),
        ("a,b\n", "no row of numbers"),
    ];
    for (text, part) in cases {
        let said = folder.said("a.csv", text);
        assert!(said.contains(part), "{text:?}: {said}");
    }
}

#[test]
fn a_file_that_is_something_else_is_called_what_it_is() {
    let folder = Folder::new();
    let cases: [(&str, &[u8], &str); 9] = [
        ("a.npy", b"", "is empty, expected numbers"),
        ("a.npy", b"1 2\n3 4\n", "is not a .npy file, as it is called, but text"),
        ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "a Git-LFS pointer"),
        ("a.npz", b"<!DOCTYPE html><html>", "a web page"),
        ("a.pkl", b"\x80\x04\x95abc", "a Python pickle, which is never executed"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        ("a.gguf", b"GGUF\x03\0\0\0", "a GGUF model"),
        ("a.bin", b"\x07\x01\x02", "none of .npy, .npz, .safetensors"),
        ("a.npz", b"PK\x03\x04 cut off", "not an .npz file"),
    ];
    for (name, bytes, part) in cases {
        let said = folder.said(name, bytes);
        assert!(said.contains(part), "{name}: {said}");
    }
    let said = ArrayFile::open(folder.0.path()).err().unwrap().to_string();
    assert!(said.ends_with("is a folder, expected a file"), "{said}");
}
