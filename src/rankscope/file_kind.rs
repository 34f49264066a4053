//! [`FileKind`]: what a file is, by its first bytes.
//!
//! **Source**: the formats' own signatures: Git-LFS's specification of pointers (version 1), NPY, ZIP, pickle protocols
//! 2 to 5, GGUF, HDF5, Parquet, gzip, bzip2, xz, zstd, 7z, rar, tar, TensorFlow Lite, ONNX's protocol buffer,
//! MessagePack, PNG, PDF.

/// A kind of file that people bring, on purpose or by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Npy,
    Zip,
    Safetensors,
    LfsPointer,
    WebPage,
    Pickle,
    Gguf,
    Hdf5,
    Matlab,
    Parquet,
    Gzip,
    /// bzip2, xz or zstd.
    Compressed,
    /// 7z or rar.
    Archive,
    Tar,
    TfLite,
    Onnx,
    MessagePack,
    Picture,
    Pdf,
    Utf16,
    /// A text that begins with a byte order mark.
    MarkedText,
}

/// The signatures, each with the place where it begins and its kind of file.
const SIGNATURES: [(usize, &[u8], FileKind); 23] = [
    (0, b"\x93NUMPY", FileKind::Npy),
    (0, b"PK\x03\x04", FileKind::Zip),
    (0, b"PK\x05\x06", FileKind::Zip), // an empty one
    (0, b"version https://git-lfs", FileKind::LfsPointer),
    (0, b"GGUF", FileKind::Gguf),
    (0, b"lmgg", FileKind::Gguf),
    (0, b"tjgg", FileKind::Gguf),
    (0, b"\x89HDF\r\n\x1a\n", FileKind::Hdf5),
    (0, b"MATLAB 5.0", FileKind::Matlab),
    (0, b"PAR1", FileKind::Parquet),
    (0, b"\x1f\x8b", FileKind::Gzip),
    (0, b"BZh", FileKind::Compressed),
    (0, b"\xfd7zXZ\0", FileKind::Compressed),
    (0, b"\x28\xb5\x2f\xfd", FileKind::Compressed),
    (0, b"7z\xbc\xaf", FileKind::Archive),
    (0, b"Rar!", FileKind::Archive),
    (257, b"ustar", FileKind::Tar),
    (4, b"TFL3", FileKind::TfLite),
    (0, b"\x89PNG", FileKind::Picture),
    (0, b"%PDF", FileKind::Pdf),
    (0, b"\xff\xfe", FileKind::Utf16),
    (0, b"\xfe\xff", FileKind::Utf16),
    (8, b"{", FileKind::Safetensors), // after the length of the header
];

impl FileKind {
    /// The kind of a file that begins with `start`; `None` for other files, such as texts.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        let has =
            |offset: usize, signature| start.get(offset..).is_some_and(|rest| rest.starts_with(signature));
        let signed = || SIGNATURES.iter().find(|(offset, signature, _)| has(*offset, *signature));
        match start {
            _ if is_web_page(start) => Some(FileKind::WebPage),
            [0x80, 2..=5, ..] => Some(FileKind::Pickle),
            [0xef, 0xbb, 0xbf, ..] => Some(FileKind::MarkedText),
            _ if signed().is_some() => signed().map(|(_, _, kind)| *kind),
            // Field 1, a small version, and field 2, the producer's name.
            [0x08, 1..=30, 0x12, 1..=40, ..] => Some(FileKind::Onnx),
            _ if is_message_pack(start) => Some(FileKind::MessagePack),
            _ => None,
        }
    }
}

fn is_web_page(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&start[..start.len().min(256)]).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    ["<!doctype", "<html", "<head", "<body", "<?xml", "<!--"].iter().any(|tag| text.starts_with(tag))
}

/// Whether `start` is a MessagePack map whose first key is a text.
fn is_message_pack(start: &[u8]) -> bool {
    let key = match start {
        [0x81..=0x8f, key, ..] | [0xde, _, _, key, ..] | [0xdf, _, _, _, _, key, ..] => key,
        _ => return false,
    };
    matches!(key, 0xa1..=0xbf | 0xd9..=0xdb)
}
