//! Messages on a socket between cells and kernel: a length, a number, and bytes; the answer repeats the number.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// A length and a number.
const HEAD: usize = 12;

/// One message, or the answer to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The same in a message and in its answer.
    pub number: u64,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// Writes the whole message.
    ///
    /// # Errors
    /// If the other side is gone.
    pub fn write(&self, mut socket: &UnixStream) -> io::Result<()> {
        let length = u32::try_from(self.bytes.len()).map_err(|_| io::Error::other("more than 4 GiB"))?;
        let mut all = Vec::with_capacity(HEAD + self.bytes.len());
        all.extend(length.to_le_bytes());
        all.extend(self.number.to_le_bytes());
        all.extend(&self.bytes);
        socket.write_all(&all)
    }

    /// Waits for one message and reads it.
    ///
    /// # Errors
    /// If the other side is gone.
    pub fn read(mut socket: &UnixStream) -> io::Result<Self> {
        let mut head = [0; HEAD];
        socket.read_exact(&mut head)?;
        let (length, number) = split(&head);
        let mut bytes = vec![0; length];
        socket.read_exact(&mut bytes)?;
        Ok(Frame { number, bytes })
    }
}

fn split(head: &[u8; HEAD]) -> (usize, u64) {
    let (length, number) = head.split_at(4);
    let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
    (length as usize, u64::from_le_bytes(number.try_into().unwrap_or_default()))
}

/// The kernel's end: reads without waiting, so that it never waits for the rest of a message whose sender died.
pub struct Frames {
    socket: UnixStream,
    begun: Vec<u8>,
}

impl Frames {
    /// The kernel's end of a new socket.
    ///
    /// # Errors
    /// If the socket cannot be read without waiting.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Frames { socket, begun: Vec::new() })
    }

    /// The next complete message, if there is one.
    pub fn next(&mut self) -> Option<Frame> {
        let mut piece = vec![0; 1 << 16];
        loop {
            if let Some((head, rest)) = self.begun.split_first_chunk::<HEAD>() {
                let (length, number) = split(head);
                if let Some(bytes) = rest.get(..length) {
                    let frame = Frame { number, bytes: bytes.to_vec() };
                    self.begun.drain(..HEAD + length);
                    return Some(frame);
                }
            }
            match self.socket.read(&mut piece) {
                Ok(count) if count > 0 => self.begun.extend(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return None,
            }
        }
    }

    /// A second handle, for answers from any thread.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub fn answers(&self) -> io::Result<UnixStream> {
        self.socket.try_clone()
    }

    /// Drops all that has arrived, also an incomplete message: its sender has died.
    pub fn forget(&mut self) {
        while self.next().is_some() {}
        self.begun.clear();
    }
}

impl AsRawFd for Frames {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_whatever_their_size_and_half_of_one_is_forgotten() {
        let (cells, kernel) = UnixStream::pair().unwrap();
        let mut frames = Frames::new(kernel).unwrap();
        assert_eq!(frames.next(), None);
        let large = Frame { number: 7, bytes: (0..300_001_u32).map(|count| count as u8).collect() };
        let small = Frame { number: u64::MAX, bytes: Vec::new() };
        let sent = [large, small];
        let sender = std::thread::spawn({
            let (sent, cells) = (sent.clone(), cells.try_clone().unwrap());
            move || sent.iter().for_each(|frame| frame.write(&cells).unwrap())
        });
        let mut seen = Vec::new();
        while seen.len() < sent.len() {
            seen.extend(frames.next());
        }
        sender.join().unwrap();
        assert_eq!(seen, sent);
        (&cells).write_all(&[9, 0, 0, 0, 1]).unwrap();
        assert_eq!(frames.next(), None);
        frames.forget();
        sent[1].write(&cells).unwrap();
        assert_eq!(frames.next().as_ref(), Some(&sent[1]));
        let answer = Frame { number: 3, bytes: b"yes".to_vec() };
        answer.write(&frames.answers().unwrap()).unwrap();
        assert_eq!(Frame::read(&cells).unwrap(), answer);
    }
}
