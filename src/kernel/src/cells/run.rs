//! The process of the cells: loads each cell that evcxr names, and runs it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use super::streams::Given;
use super::{checked, link};
use crate::times;

/// evcxr's command to run a cell; the library's path and the function's name follow.
const RUN: &str = "LOAD_AND_RUN ";
/// The line that evcxr waits for after that.
const DONE: &str = "EVCXR_EXECUTION_COMPLETE";
/// The exit code of a process that cannot run cells.
const CANNOT: i32 = 99;

/// evcxr's store of variables, which a cell hands to the next one.
type Store = *mut c_void;

/// Runs cells until evcxr closes its pipe.
pub fn run(given: Result<Given>) -> ! {
    let ended = given.and_then(prepare).and_then(|(commands, mut cells)| {
        for line in commands.lines() {
            cells.run(&line?)?;
        }
        Ok(())
    });
    if let Err(error) = &ended {
        eprintln!("the process of the cells: {error:#}");
    }
    std::process::exit(if ended.is_ok() { 0 } else { CANNOT })
}

/// Replaces evcxr's pipes by the streams of the cells, and links the library to this program.
fn prepare(given: Given) -> Result<(BufReader<File>, Cells)> {
    // Opened while standard error is still evcxr's pipe, where an error of the loader is reported. The symbols are
    // global, so that a cell need not be linked with the library.
    let library = Library::open(Path::new(&given.library), libc::RTLD_GLOBAL)?;
    let [commands, engine] = [libc::STDIN_FILENO, libc::STDOUT_FILENO].map(put_away);
    let [out, err] = given.text;
    put(File::open("/dev/null")?.into(), libc::STDIN_FILENO)?;
    put(out, libc::STDOUT_FILENO)?;
    put(err, libc::STDERR_FILENO)?;
    link::establish(given.tell, given.ask, engine?.into());
    let start: extern "C" fn(*const link::Link) = library.function("rankscope_notebook_link")?;
    start(&link::LINK);
    let flush = library.function("rankscope_notebook_flush")?;
    let (calls, call) = (given.call, library.function("rankscope_notebook_call")?);
    std::thread::Builder::new().name("widgets".into()).spawn(move || link::serve(&calls, call))?;
    Ok((BufReader::new(commands?.into()), Cells { store: std::ptr::null_mut(), flush }))
}

/// Duplicates a standard descriptor to one that no program inherits.
fn put_away(standard: i32) -> io::Result<OwnedFd> {
    // SAFETY: the new descriptor is nobody else's.
    unsafe {
        let file = libc::fcntl(standard, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1);
        checked(file).map(|()| OwnedFd::from_raw_fd(file))
    }
}

/// Makes `file` a standard descriptor.
fn put(file: OwnedFd, standard: i32) -> io::Result<()> {
    // SAFETY: a system call on two descriptors.
    checked(unsafe { libc::dup2(file.as_raw_fd(), standard) })
}

struct Cells {
    store: Store,
    flush: extern "C" fn(),
}

impl Cells {
    /// Executes one command of evcxr.
    fn run(&mut self, line: &str) -> Result<()> {
        let named = line.strip_prefix(RUN).and_then(|rest| rest.rsplit_once(' '));
        let (path, function) = named.with_context(|| format!("evcxr says `{line}`"))?;
        let path = Path::new(path);
        let library = Library::open(path, libc::RTLD_LOCAL)?;
        let function: extern "C" fn(Store) -> Store = library.function(function)?;
        times::begins("run");
        link::begin(path);
        self.store = function(self.store);
        // Flushes the buffers, so that everything the cell printed appears under the cell.
        (self.flush)();
        // SAFETY: writes out the buffers of C's streams.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        link::engine_line(DONE.as_bytes());
        Ok(())
    }
}

/// A library that stays loaded until the process ends: later cells may use what it defined.
struct Library(*mut c_void);

impl Library {
    fn open(path: &Path, scope: c_int) -> Result<Self> {
        let name = CString::new(path.as_os_str().as_encoded_bytes()).context("a path with a zero byte")?;
        // SAFETY: the name is a C string; what the library does when it is loaded is the cell's business.
        let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | scope) };
        if library.is_null() {
            bail!("cannot load {}: {}", path.display(), complaint());
        }
        Ok(Library(library))
    }

    /// A function by its name; `F` must be its type.
    fn function<F: Copy>(&self, name: &str) -> Result<F> {
        assert_eq!(size_of::<F>(), size_of::<*mut c_void>(), "a function");
        let c_name = CString::new(name)?;
        // SAFETY: the library is loaded; the caller says what the function is.
        unsafe {
            let function = libc::dlsym(self.0, c_name.as_ptr());
            if function.is_null() {
                return Err(anyhow!("no function {name}: {}", complaint()));
            }
            Ok(std::mem::transmute_copy(&function))
        }
    }
}

/// The loader's error message.
fn complaint() -> String {
    // SAFETY: the text is there until the loader is called again.
    unsafe {
        let text: *const c_char = libc::dlerror();
        if text.is_null() { "no reason".into() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    }
}
