//! The messages between a spare and the kernels that ask for it: lists of byte strings on a Unix socket.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;

use sendfd::{RecvWithFd, SendWithFd};

use crate::surroundings::Surroundings;

/// The largest message: larger than any environment.
const MOST_BYTES: u32 = 64 << 20;

/// Writes a list of fields, each after its length, the whole after its own.
///
/// # Errors
/// If the other side is gone.
pub fn send(mut socket: &UnixStream, fields: &[impl AsRef<[u8]>]) -> io::Result<()> {
    let mut text = Vec::new();
    for field in fields {
        let field = field.as_ref();
        text.extend((field.len() as u32).to_le_bytes());
        text.extend(field);
    }
    let mut message = (text.len() as u32).to_le_bytes().to_vec();
    message.extend(text);
    socket.write_all(&message)
}

/// Reads what [`send`] wrote.
///
/// # Errors
/// If the other side is gone, silent for longer than the socket waits, or sent something else.
pub fn receive(mut socket: &UnixStream) -> io::Result<Vec<Vec<u8>>> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    let foreign = || io::Error::new(ErrorKind::InvalidData, "not a message of this kernel");
    if length > MOST_BYTES {
        return Err(foreign());
    }
    let mut text = vec![0; length as usize];
    socket.read_exact(&mut text)?;
    let (mut fields, mut rest) = (Vec::new(), text.as_slice());
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(foreign)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (field, after) = after.split_at_checked(length).ok_or_else(foreign)?;
        fields.push(field.to_vec());
        rest = after;
    }
    Ok(fields)
}

/// Sends the standard output and error of this process.
///
/// # Errors
/// If the other side is gone.
pub fn send_outputs(socket: &UnixStream) -> io::Result<()> {
    let outputs = [io::stdout().as_raw_fd(), io::stderr().as_raw_fd()];
    socket.send_with_fd(b".", &outputs).map(drop)
}

/// Receives the two files that [`send_outputs`] sent.
///
/// # Errors
/// If something else was sent.
pub fn receive_outputs(socket: &UnixStream) -> io::Result<[File; 2]> {
    let (mut text, mut outputs) = ([0], [-1 as RawFd; 2]);
    let (_, count) = socket.recv_with_fd(&mut text, &mut outputs)?;
    // SAFETY: the system made these for us a moment ago.
    let files: Vec<File> = outputs[..count].iter().map(|fd| unsafe { File::from_raw_fd(*fd) }).collect();
    files.try_into().map_err(|_| io::Error::new(ErrorKind::InvalidData, "no two outputs"))
}

/// A kernel's request to be served by a spare.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// Which library: its home, and what it was made from.
    pub home: Vec<u8>,
    pub stamp: Vec<u8>,
    /// See [`crate::surroundings::bounds`].
    pub bounds: Vec<u8>,
    /// The process that Jupyter knows.
    pub kernel: u32,
    /// The text of the connection file.
    pub connection: Vec<u8>,
    /// For the kernel and for its cells.
    pub surroundings: Surroundings,
}

impl Request {
    /// As fields of a message.
    pub fn to_fields(&self) -> Vec<Vec<u8>> {
        let Request { home, stamp, bounds, kernel, connection, surroundings } = self;
        let kernel = kernel.to_string().into_bytes();
        let mut fields = [home, stamp, bounds, &kernel, connection].map(Vec::clone).to_vec();
        fields.extend(surroundings.to_fields());
        fields
    }

    /// Reads the fields that [`Request::to_fields`] made; `None` if they are others.
    pub fn from_fields(fields: &[Vec<u8>]) -> Option<Self> {
        let ([home, stamp, bounds, kernel, connection], rest) = fields.split_first_chunk()?;
        let [home, stamp, bounds, connection] = [home, stamp, bounds, connection].map(Vec::clone);
        let kernel = std::str::from_utf8(kernel).ok()?.parse().ok()?;
        let surroundings = Surroundings::from_fields(rest)?;
        Some(Request { home, stamp, bounds, kernel, connection, surroundings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_and_two_outputs_arrive() {
        let request = Request {
            home: b"/h".to_vec(),
            stamp: vec![],
            bounds: b"b\0\n".to_vec(),
            kernel: 41,
            connection: b"{}".to_vec(),
            surroundings: Surroundings::of_process().unwrap(),
        };
        let (one, other) = UnixStream::pair().unwrap();
        send_outputs(&one).unwrap();
        send(&one, &request.to_fields()).unwrap();
        assert_eq!(receive_outputs(&other).unwrap().len(), 2);
        assert_eq!(Request::from_fields(&receive(&other).unwrap()), Some(request));
        drop(one);
        assert_eq!(receive(&other).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let broken: [&[u8]; 3] = [&[255; 8], &[4, 0, 0, 0, 9, 0, 0, 0], &[2, 0, 0, 0, 1, 1]];
        for bytes in broken {
            let (mut one, other) = UnixStream::pair().unwrap();
            one.write_all(bytes).unwrap();
            assert_eq!(receive(&other).unwrap_err().kind(), ErrorKind::InvalidData, "{bytes:?}");
        }
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(b".").unwrap();
        assert!(receive_outputs(&other).is_err());
        assert_eq!(Request::from_fields(&[vec![1], vec![2]]), None);
    }
}
