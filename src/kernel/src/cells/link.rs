//! The cells' side of the link to the kernel: the functions that the library calls, see `rankscope::notebook::Link`.

use std::ffi::{CStr, c_int, c_void};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::thread::ThreadId;

use super::frame::Frame;
use crate::open;

/// Lines that evcxr puts after a cell's code, with their numbers in the library: one runs after a panic, ...
const PLACES: [(c_int, &str); 2] = [
    (1, r#"println!("EVCXR_PANIC_NOTIFICATION");"#),
    // ... one shows the value as text.
    (2, r#"evcxr_send_text_plain(&format!("{:?}",&("#),
];

/// The functions that the library calls, as C functions.
#[repr(C)]
pub struct Link {
    tell: extern "C" fn(*const u8, usize),
    ask: extern "C" fn(*const u8, usize, Take, *mut c_void) -> c_int,
    engine: extern "C" fn(*const u8, usize),
    at: extern "C" fn(u32) -> c_int,
    earlier_cell: extern "C" fn(*const c_void) -> u32,
}

type Take = extern "C" fn(*mut c_void, *const u8, usize);

/// The functions of this process.
pub static LINK: Link = Link { tell, ask, engine, at, earlier_cell };

/// A socket on which one message at a time waits for its answer.
struct Socket {
    socket: UnixStream,
    said: u64,
}

impl Socket {
    /// Sends a message and waits for the answer; `None` if the kernel is gone.
    fn exchange(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.said += 1;
        // The answer to a process that died may still arrive here.
        let number = u64::from(std::process::id()) << 32 | self.said;
        Frame { number, bytes: bytes.to_vec() }.write(&self.socket).ok()?;
        loop {
            let answer = Frame::read(&self.socket).ok()?;
            if answer.number == number {
                return Some(answer.bytes);
            }
        }
    }
}

/// The running cell.
#[derive(Default)]
struct Running {
    source: PathBuf,
    number: u32,
}

struct Channels {
    tell: Mutex<Socket>,
    ask: Mutex<Socket>,
    engine: Mutex<File>,
    running: Mutex<Running>,
    /// The thread of the cells.
    thread: ThreadId,
}

static CHANNELS: OnceLock<Channels> = OnceLock::new();

/// Sets up the channels of this process, once, on the thread of the cells.
pub fn establish(tell: UnixStream, ask: UnixStream, engine: File) {
    let socket = |socket| Mutex::new(Socket { socket, said: 0 });
    let _ = CHANNELS.set(Channels {
        tell: socket(tell),
        ask: socket(ask),
        engine: Mutex::new(engine),
        running: Mutex::default(),
        thread: std::thread::current().id(),
    });
}

/// Hands the kernel's messages to the library, one at a time, until the kernel is gone.
pub fn serve(calls: &UnixStream, call: extern "C" fn(*const u8, usize)) {
    while let Ok(Frame { number, bytes }) = Frame::read(calls) {
        call(bytes.as_ptr(), bytes.len());
        if (Frame { number, bytes: Vec::new() }).write(calls).is_err() {
            return;
        }
    }
}

/// Notes that a cell begins, whose library is at `path`: `…/target/HOST/debug/libcode_3.so` of the folder with its source.
pub fn begin(path: &Path) {
    if let (Some(channels), Some(folder), Some(number)) =
        (CHANNELS.get(), path.ancestors().nth(4), number(path))
    {
        *open(&channels.running) = Running { source: folder.join("src/lib.rs"), number };
        open(&channels.tell).exchange(format!(r#"{{"kind":"begin","number":{number}}}"#).as_bytes());
    }
}

/// Writes one line to evcxr.
pub fn engine_line(line: &[u8]) {
    if let Some(channels) = CHANNELS.get() {
        let line = [line, b"\n"].concat();
        // An error means that evcxr is gone; then its pipe of commands closes, and this process ends.
        let _ = open(&channels.engine).write_all(&line);
    }
}

/// The answer to a question.
pub enum Answer {
    Line(Vec<u8>),
    End,
    Interrupted,
}

/// Asks the person at the notebook.
pub fn question(prompt: &[u8]) -> Answer {
    let answer = CHANNELS.get().and_then(|channels| open(&channels.ask).exchange(prompt));
    let Some((kind, line)) = answer.as_deref().and_then(<[u8]>::split_first) else { return Answer::End };
    match kind {
        b'l' => Answer::Line(line.to_vec()),
        b'i' => Answer::Interrupted,
        _ => Answer::End,
    }
}

impl Answer {
    /// As bytes, to be sent to the cells.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Answer::Line(line) => [b"l", line.as_slice()].concat(),
            Answer::End => b"e".to_vec(),
            Answer::Interrupted => b"i".to_vec(),
        }
    }
}

/// The bytes that the library passed to a C function.
fn given<'a>(text: *const u8, length: usize) -> &'a [u8] {
    // SAFETY: the library gives a text of its own that outlives the call.
    unsafe { std::slice::from_raw_parts(text, length) }
}

extern "C" fn tell(text: *const u8, length: usize) {
    if let Some(channels) = CHANNELS.get() {
        open(&channels.tell).exchange(given(text, length));
    }
}

extern "C" fn ask(prompt: *const u8, length: usize, take: Take, taker: *mut c_void) -> c_int {
    match question(given(prompt, length)) {
        Answer::Line(line) => {
            take(taker, line.as_ptr(), line.len());
            0
        }
        Answer::End => 1,
        Answer::Interrupted => 2,
    }
}

extern "C" fn engine(line: *const u8, length: usize) {
    engine_line(given(line, length));
}

extern "C" fn at(line: u32) -> c_int {
    let Some(channels) = CHANNELS.get().filter(|channels| std::thread::current().id() == channels.thread)
    else {
        return 0;
    };
    let source = fs::read_to_string(&open(&channels.running).source).unwrap_or_default();
    PLACES.iter().find(|(_, text)| last(&source, text) == Some(line)).map_or(0, |(number, _)| *number)
}

/// The number, from 1, of the last line that is `text`: a line of evcxr's, which comes after the cell's own code.
fn last(source: &str, text: &str) -> Option<u32> {
    let lines = source.lines().enumerate().filter(|(_, line)| line.trim() == text);
    u32::try_from(lines.last()?.0 + 1).ok()
}

extern "C" fn earlier_cell(address: *const c_void) -> u32 {
    let running = CHANNELS.get().map_or(0, |channels| open(&channels.running).number);
    // SAFETY: the call fills in pointers to names that stay as long as the library.
    let path = unsafe {
        let mut found: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address, &mut found) == 0 || found.dli_fname.is_null() {
            return 0;
        }
        CStr::from_ptr(found.dli_fname).to_string_lossy().into_owned()
    };
    number(Path::new(&path)).filter(|number| *number != running).unwrap_or(0)
}

/// The number in the name of a cell's library, such as `libcode_3.so`.
pub fn number(path: &Path) -> Option<u32> {
    path.file_stem()?.to_str()?.rsplit_once("code_")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_engines_and_an_equal_one_before_it_is_the_cells() {
        for (_, text) in PLACES {
            let source = format!("fn cell() {{\n{text}\n}}\n    {text}\n}}\n");
            assert_eq!(last(&source, text), Some(4));
            assert_eq!(last("fn cell() {}\n", text), None);
        }
    }

    #[test]
    fn a_cell_is_known_by_the_name_of_its_library() {
        let cells = [
            ("/a/libcode_12.so", Some(12)),
            ("code_3.dylib", Some(3)),
            ("/a/libstd-1.so", None),
            ("code_x.so", None),
        ];
        cells.iter().for_each(|(path, expected)| assert_eq!(number(Path::new(path)), *expected, "{path}"));
    }

    #[test]
    fn an_answer_to_a_process_that_died_is_no_answer() {
        let (cells, kernel) = UnixStream::pair().unwrap();
        Frame { number: 1, bytes: b"lold".to_vec() }.write(&kernel).unwrap();
        let kernel = std::thread::spawn(move || {
            let asked = Frame::read(&kernel).unwrap();
            Frame { bytes: Answer::Line(b"new".to_vec()).to_bytes(), ..asked }.write(&kernel).unwrap();
        });
        let answer = Socket { socket: cells, said: 0 }.exchange(b"?");
        assert_eq!(answer.as_deref(), Some(&b"lnew"[..]));
        kernel.join().unwrap();
    }
}
