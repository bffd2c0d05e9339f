//! A stream of messages between a verb and the process that reads the image for it: each is the
//! length of a message, the message in postcard's compact form, and perhaps bytes behind it whose
//! number the message says.

use std::io::{BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind, Result};
use crate::number::to_usize;

/// The longest message, the bytes behind it not counted.
const LONGEST: u32 = 4 << 20;

/// Bytes behind a message that are copied to be sent with it.
const FEW: usize = 32 << 10;

/// Bytes that are taken from the socket at a time, unless more are wanted.
const BUFFER: usize = 64 << 10;

/// One end of the stream.
pub struct Frames(BufReader<UnixStream>);

impl Frames {
    /// Two ends, connected.
    ///
    /// # Errors
    /// `Io` where no socket can be made.
    pub fn pair() -> Result<(Self, Self)> {
        let pair = UnixStream::pair();
        let (one, other) = pair.map_err(|error| Error::io("make a socket pair", &error))?;
        Ok((Self::over(one), Self::over(other)))
    }

    fn over(socket: UnixStream) -> Self {
        Self(BufReader::with_capacity(BUFFER, socket))
    }

    /// The end that came as a descriptor.
    pub(super) fn of(descriptor: OwnedFd) -> Self {
        Self::over(descriptor.into())
    }

    /// The same end for writing alone, in another thread for instance.
    ///
    /// # Errors
    /// `Io` where there is no descriptor left.
    pub fn writer(&self) -> Result<FrameWriter> {
        let socket = self.0.get_ref().try_clone();
        socket
            .map(FrameWriter)
            .map_err(|error| Error::io("use a socket twice", &error))
    }

    /// Sends `message`, and `bytes` behind it.
    ///
    /// # Errors
    /// `Io` where the other end is closed; `Invalid` where the message is too long: nothing is sent
    /// then.
    pub fn send(&mut self, message: &impl Serialize, bytes: &[u8]) -> Result<()> {
        send(self.0.get_ref(), message, bytes)
    }

    /// The next message; `None` where the other end is closed.
    ///
    /// # Errors
    /// `Corrupt` for what is no such message.
    pub fn receive<M: DeserializeOwned>(&mut self) -> Result<Option<M>> {
        let mut length = [0; 4];
        match self.0.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if is_end(&error) => return Ok(None),
            Err(error) => return Err(cannot_hear(&error)),
        }
        let length = u32::from_le_bytes(length);
        if length > LONGEST {
            let text = format!("a message between processes has {length} bytes");
            return Err(Error::corrupt(text));
        }
        let mut message = vec![0; to_usize(length.into())];
        match self.0.read_exact(&mut message) {
            Ok(()) => {}
            Err(error) if is_end(&error) => return Ok(None),
            Err(error) => return Err(cannot_hear(&error)),
        }
        postcard::from_bytes(&message)
            .map(Some)
            .map_err(|error| Error::corrupt(format!("message: {error}")))
    }

    /// As [`Frames::receive`], where there has to be one.
    ///
    /// # Errors
    /// `Io` where there is none.
    pub fn expect<M: DeserializeOwned>(&mut self) -> Result<M> {
        self.receive()?.ok_or_else(ended)
    }

    /// The bytes behind a message: as many as `buf` has.
    ///
    /// # Errors
    /// `Io` where the other end is closed before that.
    pub fn bytes(&mut self, buf: &mut [u8]) -> Result<()> {
        let read = self.0.read_exact(buf);
        read.map_err(|error| match is_end(&error) {
            true => ended(),
            false => cannot_hear(&error),
        })
    }
}

impl From<Frames> for OwnedFd {
    fn from(frames: Frames) -> Self {
        frames.0.into_inner().into()
    }
}

/// See [`Frames::writer`].
pub struct FrameWriter(UnixStream);

impl FrameWriter {
    /// As [`Frames::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(&mut self, message: &impl Serialize, bytes: &[u8]) -> Result<()> {
        send(&self.0, message, bytes)
    }
}

fn send(mut socket: &UnixStream, message: &impl Serialize, bytes: &[u8]) -> Result<()> {
    let too_long = || Error::invalid("a message between processes is too long");
    // Four bytes for the length, which is known afterwards.
    let mut packet = postcard::to_extend(message, vec![0; 4])
        .map_err(|error| Error::invalid(format!("message: {error}")))?;
    let length = u32::try_from(packet.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if length > LONGEST {
        return Err(too_long());
    }
    let first = packet.first_chunk_mut::<4>().ok_or_else(too_long)?;
    *first = length.to_le_bytes();
    let rest = if bytes.len() <= FEW {
        packet.extend_from_slice(bytes);
        &[]
    } else {
        bytes
    };
    let sent = socket
        .write_all(&packet)
        .and_then(|()| socket.write_all(rest));
    sent.map_err(|error| Error::io("send to the other process", &error))
}

/// Whether the other end is closed, or the process that had it has ended with something unread.
fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset)
}

fn ended() -> Error {
    Error::new(Kind::Io, "the other process ended")
}

fn cannot_hear(error: &std::io::Error) -> Error {
    Error::io("hear the other process", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_the_bytes_behind_them_arrive_in_order() {
        let (mut one, mut other) = Frames::pair().unwrap();
        let long = vec![7; 300 << 10];
        let sender = std::thread::spawn(move || {
            one.send(&("a", 1_u64), b"few").unwrap();
            one.send(&("b", u64::MAX), &long).unwrap();
            one.writer().unwrap().send(&("c", 0_u64), &[]).unwrap();
        });
        for (name, number, length) in [("a", 1, 3), ("b", u64::MAX, 300 << 10), ("c", 0, 0)] {
            let message: (String, u64) = other.expect().unwrap();
            assert_eq!(message, (name.to_owned(), number));
            let mut bytes = vec![0; length];
            other.bytes(&mut bytes).unwrap();
            assert!(name != "a" || bytes == b"few");
            assert!(name != "b" || bytes.iter().all(|byte| *byte == 7));
        }
        assert!(other.receive::<u8>().unwrap().is_none());
        sender.join().unwrap();
    }

    #[test]
    fn nonsense_is_an_error_and_takes_no_memory() {
        let told = |bytes: &[u8]| {
            let (one, mut other) = UnixStream::pair().unwrap();
            other.write_all(bytes).unwrap();
            drop(other);
            Frames::over(one).receive::<Vec<String>>()
        };
        assert!(told(&u32::MAX.to_le_bytes()).is_err());
        assert!(told(&[2, 0, 0, 0, 9, 0xff]).is_err());
        // A list of 2^63 strings in eleven bytes.
        let many = [10, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert!(told(&many).is_err());
        for cut in [&[][..], &[1, 0], &[9, 0, 0, 0, 1]] {
            assert_eq!(told(cut).unwrap(), None);
        }
    }
}
