//! Finds the format of a file of numbers from its first bytes.

use crate::file_kind::FileKind;

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Npy,
    Zip,
    Safetensors,
    Table,
}

/// The format of a file of `size` bytes that begins with `start`, or an error that says what the file is.
pub(super) fn form(start: &[u8], size: u64) -> Result<Form, String> {
    if size == 0 {
        return Err("is empty, expected numbers".into());
    }
    let what = match FileKind::of(start) {
        Some(FileKind::Npy) => return Ok(Form::Npy),
        Some(FileKind::Zip) => return Ok(Form::Zip),
        Some(FileKind::Safetensors) => return Ok(Form::Safetensors),
        None | Some(FileKind::MarkedText) => return table(start),
        Some(FileKind::LfsPointer) => "a Git-LFS pointer, not the file itself; fetch it with `git lfs pull`",
        Some(FileKind::WebPage) => "a web page, not the file itself; download it again",
        Some(FileKind::Pickle) => {
            return Err(format!("is a Python pickle, which is never executed; {SAVE}"));
        }
        Some(FileKind::Gguf) => "a GGUF model; expected .npy, .npz, .safetensors or a table of numbers",
        Some(FileKind::TfLite | FileKind::Onnx | FileKind::MessagePack) => {
            "a model in another format; expected .npy, .npz, .safetensors or a table of numbers"
        }
        Some(FileKind::Hdf5) => "an HDF5 file; read it with h5py and save the array with numpy.save",
        Some(FileKind::Matlab) => {
            "a MATLAB file; read it with scipy.io.loadmat and save the array with numpy.save"
        }
        Some(FileKind::Parquet) => "a Parquet file; read it with pandas and save it with numpy.save",
        Some(FileKind::Gzip | FileKind::Compressed | FileKind::Archive | FileKind::Tar) => {
            "a packed file; unpack it first"
        }
        Some(FileKind::Picture) => "a picture; expected numbers",
        Some(FileKind::Pdf) => "a PDF document; expected numbers",
        Some(FileKind::Utf16) => "text in UTF-16; save it as UTF-8",
    };
    Err(format!("is {what}"))
}

/// A table as text, or an error if `start` has bytes that cannot be text.
fn table(start: &[u8]) -> Result<Form, String> {
    match start.iter().any(|&byte| byte < 9 || (14..32).contains(&byte)) {
        true => Err("is none of .npy, .npz, .safetensors and tables of numbers (.csv, .tsv, .txt)".into()),
        false => Ok(Form::Table),
    }
}

/// Advice for a file that PyTorch saved.
pub(super) const SAVE: &str = "save the tensor with numpy.save(\"a.npy\", a.float().numpy()), \
                               or a dictionary of tensors with safetensors.torch.save_file";
