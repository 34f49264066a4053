//! What a file is, by its first bytes.

/// A form that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Npy,
    Zip,
    Safetensors,
    Table,
}

/// How other files begin, what they are, and what to do.
const OTHERS: [(&[u8], &str); 11] = [
    (b"version https://git-lfs", "a Git-LFS pointer, not the file itself; fetch it with `git lfs pull`"),
    (b"<!DOCTYPE", "a web page, not the file itself; download it again"),
    (b"<!doctype", "a web page, not the file itself; download it again"),
    (b"<html", "a web page, not the file itself; download it again"),
    (b"GGUF", "a GGUF model; expected .npy, .npz, .safetensors or a table of numbers"),
    (b"\x89HDF", "an HDF5 file; read it with h5py and save the array with numpy.save"),
    (b"MATLAB 5.0", "a MATLAB file; read it with scipy.io.loadmat and save the array with numpy.save"),
    (b"PAR1", "a Parquet file; read it with pandas and save it with numpy.save"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"\x89PNG", "a picture; expected numbers"),
    (b"%PDF", "a PDF document; expected numbers"),
];

/// The format of a file of `size` bytes that begins with `start`, or an error that says what the file is.
pub(super) fn form(start: &[u8], size: u64) -> Result<Form, String> {
    if size == 0 {
        return Err("is empty, expected numbers".into());
    }
    if start.starts_with(b"\x93NUMPY") {
        return Ok(Form::Npy);
    }
    if start.starts_with(b"PK") {
        return Ok(Form::Zip);
    }
    if let [.., b'{'] = start.get(..9).unwrap_or_default() {
        return Ok(Form::Safetensors);
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Err(format!("is {what}"));
    }
    if let [0x80, 2..=5, ..] = start {
        return Err(format!("is a Python pickle, which is never executed; {SAVE}"));
    }
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err("is text in UTF-16; save it as UTF-8".into());
    }
    if start.iter().any(|&byte| byte < 9 || (14..32).contains(&byte)) {
        return Err("is none of .npy, .npz, .safetensors and tables of numbers (.csv, .tsv, .txt)".into());
    }
    Ok(Form::Table)
}

/// What to do with what PyTorch saved.
pub(super) const SAVE: &str = "save the tensor with numpy.save(\"a.npy\", a.float().numpy()), \
                               or a dictionary of tensors with safetensors.torch.save_file";
