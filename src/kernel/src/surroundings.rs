//! What Jupyter gives a kernel beside its connection file: a folder and the variables of the environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A folder and an environment, of this process or for another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Surroundings {
    /// The current folder.
    pub folder: PathBuf,
    /// Every variable.
    pub variables: BTreeMap<OsString, OsString>,
}

/// Variables that are read only once, when a program starts or a library is loaded: the beginnings of their names, ...
const READ_ONCE: [&str; 14] = [
    "LD_", "DYLD_", "OPENBLAS", "GOTO_", "OMP_", "MKL_", "BLIS_", "RAYON_", "MALLOC_", "GLIBC_", "RUST",
    "CARGO", "EVCXR_", "RA_",
];
/// ... and whole names. The kernel's own are among them, as they choose the library that is loaded.
const READ_ONCE_NAMES: [&str; 5] = ["PATH", "HOME", "TMPDIR", crate::home::HOME, crate::home::RUNNING];

impl Surroundings {
    /// The folder and the variables of this process.
    ///
    /// # Errors
    /// If the current folder is gone.
    pub fn of_process() -> io::Result<Self> {
        Ok(Surroundings { folder: std::env::current_dir()?, variables: std::env::vars_os().collect() })
    }

    /// Makes them the folder and the variables of this process.
    ///
    /// # Errors
    /// If there is no such folder; nothing is changed then.
    pub fn enter(&self) -> io::Result<()> {
        std::env::set_current_dir(&self.folder)?;
        let gone =
            std::env::vars_os().map(|(name, _)| name).filter(|name| !self.variables.contains_key(name));
        // SAFETY: Rust's own look-ups take the same lock; no other thread runs C code that reads variables: they
        // compile, infer or wait.
        unsafe {
            gone.for_each(|name| std::env::remove_var(name));
            self.variables.iter().for_each(|(name, value)| std::env::set_var(name, value));
        }
        Ok(())
    }

    /// A variable that a running process cannot take over from `other`, if there is one.
    pub fn set_apart_by(&self, other: &Self) -> Option<String> {
        let names = self.variables.keys().chain(other.variables.keys());
        let mut apart = names.filter(|name| self.variables.get(*name) != other.variables.get(*name));
        apart.find(|name| is_read_once(name)).map(|name| name.to_string_lossy().into_owned())
    }

    /// As fields of a message: the folder, and a name and a value for each variable.
    pub fn to_fields(&self) -> Vec<Vec<u8>> {
        let mut fields = vec![self.folder.as_os_str().as_bytes().to_vec()];
        for (name, value) in &self.variables {
            fields.extend([name.as_bytes().to_vec(), value.as_bytes().to_vec()]);
        }
        fields
    }

    /// From what [`Surroundings::to_fields`] made; `None` if it did not.
    pub fn from_fields(fields: &[Vec<u8>]) -> Option<Self> {
        let (folder, variables) = fields.split_first()?;
        let text = |bytes: &Vec<u8>| OsString::from_vec(bytes.clone());
        let pairs = variables.chunks_exact(2);
        let is_whole = pairs.remainder().is_empty();
        let variables = pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
        is_whole.then(|| Surroundings { folder: text(folder).into(), variables })
    }
}

fn is_read_once(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    READ_ONCE.iter().any(|start| name.starts_with(start)) || READ_ONCE_NAMES.contains(&name.as_ref())
}

/// Properties that a process inherits and that another process cannot give it later: its resource limits, its control
/// group, and the mask of the files that it makes.
pub fn bounds() -> Vec<u8> {
    // A system without such a file has no such property to compare.
    let read = |file: &str| std::fs::read(file).unwrap_or_default();
    let status = read("/proc/self/status");
    let mask =
        status.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"Umask")).unwrap_or_default();
    [&read("/proc/self/limits"), &read("/proc/self/cgroup"), mask].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &[u8])]) -> Surroundings {
        let pair = |(name, value): &(&str, &[u8])| (OsString::from(name), OsString::from_vec(value.to_vec()));
        Surroundings { folder: "/a folder".into(), variables: variables.iter().map(pair).collect() }
    }

    #[test]
    fn they_survive_a_message_whatever_their_bytes() {
        let strange = of(&[("A", b""), ("B", b"line\nnext = \xff\xfe"), ("C=", b"=")]);
        let fields = strange.to_fields();
        assert_eq!(Surroundings::from_fields(&fields), Some(strange));
        assert_eq!(Surroundings::from_fields(&fields[..fields.len() - 1]), None, "a name without a value");
        assert_eq!(Surroundings::from_fields(&[]), None);
    }

    #[test]
    fn what_is_read_once_sets_apart_and_the_rest_does_not() {
        let mine = of(&[("PATH", b"/bin"), ("JPY_PARENT_PID", b"7"), ("RANKSCOPE_DEVICE", b"cpu")]);
        let other = of(&[("PATH", b"/bin"), ("JPY_PARENT_PID", b"8"), ("NEW", b"1")]);
        assert_eq!(mine.set_apart_by(&other), None);
        assert_eq!(mine.set_apart_by(&of(&[("PATH", b"/usr/bin")])).as_deref(), Some("PATH"));
        let threads = of(&[("PATH", b"/bin"), ("OPENBLAS_NUM_THREADS", b"1")]);
        assert_eq!(mine.set_apart_by(&threads).as_deref(), Some("OPENBLAS_NUM_THREADS"));
        assert_eq!(threads.set_apart_by(&mine).as_deref(), Some("OPENBLAS_NUM_THREADS"), "nor what is gone");
    }
}
