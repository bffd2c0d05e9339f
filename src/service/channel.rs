//! What the processes say to each other: one JSON value a packet, with at most one descriptor, over
//! a pair of connected sockets. A packet comes whole or not at all, so nobody is left waiting for
//! the rest of one.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::stored;
use crate::error::{Error, Kind, Result};

/// The longest packet: far below what a socket's buffer holds.
const LONGEST: usize = 128 * 1024;

/// One end.
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Two ends, connected.
    pub(super) fn pair() -> Result<(Self, Self)> {
        let (one, other) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| Error::io("make a socket pair", &error.into()))?;
        Ok((Self(one), Self(other)))
    }

    /// The end that the process was started with as its standard input.
    pub(super) fn inherited() -> Result<Self> {
        let socket = std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| Error::io("the inherited socket", &error))?;
        Ok(Self(socket))
    }

    /// This end as the standard input of a process.
    pub(super) fn into_stdio(self) -> std::process::Stdio {
        self.0.into()
    }

    /// Sends `message`, and `descriptor` with it.
    pub(super) fn send(
        &self,
        message: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        self.send_text(&text(message)?, descriptor, SendFlags::NOSIGNAL)
    }

    /// The same where there is room for it now: never waits for the other process to listen.
    pub(super) fn send_now(
        &self,
        message: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        self.send_text(&text(message)?, descriptor, flags)
    }

    fn send_text(
        &self,
        bytes: &[u8],
        descriptor: Option<BorrowedFd<'_>>,
        flags: SendFlags,
    ) -> Result<()> {
        if bytes.len() > LONGEST {
            return Err(Error::invalid("a message between processes is too long"));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|fd| [fd]);
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let parts = [IoSlice::new(bytes)];
        rustix::net::sendmsg(&self.0, &parts, &mut ancillary, flags)
            .map_err(|error| Error::io("send to the other process", &error.into()))?;
        Ok(())
    }

    /// The next message, and the descriptor that came with it; `None` when the other end is closed.
    ///
    /// # Errors
    /// `Corrupt` for what is no such message.
    pub(super) fn receive<M: DeserializeOwned>(&self) -> Result<Option<(M, Option<OwnedFd>)>> {
        let Some(length) = self.next_length()? else {
            return Ok(None);
        };
        let mut bytes = vec![0; length];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            match rustix::net::recvmsg(&self.0, &mut parts, &mut ancillary, flags) {
                Ok(received) => break received,
                Err(Errno::INTR) => {}
                // The other process ended with something of ours unread.
                Err(Errno::CONNRESET) => return Ok(None),
                Err(error) => return Err(unheard(error)),
            }
        };
        let descriptor = descriptor_in(&mut ancillary);
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(Error::corrupt("a message between processes is too long"));
        }
        match bytes.get(..received.bytes) {
            None | Some([]) => Ok(None),
            Some(bytes) => message(bytes).map(|message| Some((message, descriptor))),
        }
    }

    /// Waits for the next packet, and gives the number of its bytes: a buffer for the longest would
    /// cost a page fault for each of its pages.
    fn next_length(&self) -> Result<Option<usize>> {
        let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
        let nothing: &mut [u8] = &mut [];
        loop {
            match rustix::net::recv(&self.0, &mut *nothing, flags) {
                Ok((_, 0)) | Err(Errno::CONNRESET) => return Ok(None),
                Ok((_, length)) if length > LONGEST => {
                    return Err(Error::corrupt("a message between processes is too long"));
                }
                Ok((_, length)) => return Ok(Some(length)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(unheard(error)),
            }
        }
    }

    /// Sends `message`, however long it is: one that is too long for a packet in a file in memory,
    /// which has to be within the user's limit for files.
    pub(super) fn send_whole(&self, message: &impl Serialize) -> Result<()> {
        let bytes = text(message)?;
        if bytes.len() <= LONGEST {
            self.send(&Whole { is_in_file: false }, None)?;
            return self.send_text(&bytes, None, SendFlags::NOSIGNAL);
        }
        let file = fixed("message", &bytes);
        let file = file.map_err(|error| Error::io("send to the other process", &error))?;
        self.send(&Whole { is_in_file: true }, Some(file.as_fd()))
    }

    /// The next message that was [sent whole](Channel::send_whole), by a process that is believed;
    /// `None` when the other end is closed.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub(super) fn receive_whole<M: DeserializeOwned>(&self) -> Result<Option<M>> {
        let Some((Whole { is_in_file }, file)) = self.receive()? else {
            return Ok(None);
        };
        if !is_in_file {
            return Ok(self.receive()?.map(|(message, _)| message));
        }
        let file = file.map(File::from);
        let bytes = file.and_then(|file| stored::read_all(&file));
        let bytes = bytes.ok_or_else(|| Error::corrupt("a message came without its file"))?;
        message(&bytes).map(Some)
    }

    /// As [`Channel::receive`], where there has to be one.
    pub(super) fn expect<M: DeserializeOwned>(&self) -> Result<(M, Option<OwnedFd>)> {
        self.receive()?
            .ok_or_else(|| Error::new(Kind::Io, "the other process ended"))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// That the next packet is the message, or the descriptor which comes with this one.
#[derive(Serialize, Deserialize)]
struct Whole {
    is_in_file: bool,
}

fn text(message: &impl Serialize) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(message);
    text.map_err(|error| Error::invalid(format!("message: {error}")))
}

fn message<M: DeserializeOwned>(text: &[u8]) -> Result<M> {
    let message = serde_json::from_slice(text);
    message.map_err(|error| Error::corrupt(format!("message: {error}")))
}

/// Memory with these `bytes`, for good.
pub(super) fn fixed(name: &str, bytes: &[u8]) -> std::io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create(name, flags)?);
    file.write_all(bytes)?;
    let fixed = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, fixed)?;
    Ok(file)
}

fn unheard(error: Errno) -> Error {
    Error::io("hear the other process", &error.into())
}

/// The descriptor that fusermount3 sent into `socket`.
///
/// # Errors
/// `Io` where there is none.
pub(super) fn descriptor_from(socket: impl AsFd) -> Result<OwnedFd> {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(socket, &mut parts, &mut ancillary, flags)
        .map_err(|error| Error::io("hear fusermount3", &error.into()))?;
    descriptor_in(&mut ancillary)
        .ok_or_else(|| Error::new(Kind::Io, "fusermount3 sent no descriptor"))
}

fn descriptor_in(ancillary: &mut RecvAncillaryBuffer<'_>) -> Option<OwnedFd> {
    let mut found = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            found = descriptors.last();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    #[test]
    fn a_message_and_a_descriptor_arrive_together() {
        let (one, other) = Channel::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"through").unwrap();
        one.send(&vec!["a", "b"], Some(file.as_fd())).unwrap();
        one.send(&7_u32, None).unwrap();
        let (words, descriptor) = other.expect::<Vec<String>>().unwrap();
        assert_eq!(words, ["a", "b"]);
        let mut received = std::fs::File::from(descriptor.unwrap());
        let mut text = String::new();
        received.rewind().unwrap();
        received.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        assert!(matches!(other.receive::<u32>(), Ok(Some((7, None)))));
    }

    #[test]
    fn a_message_may_be_as_long_as_a_packet_and_no_longer() {
        let (one, other) = Channel::pair().unwrap();
        let longest = "x".repeat(LONGEST - 2);
        one.send(&longest, None).unwrap();
        assert_eq!(other.expect::<String>().unwrap().0, longest);
        let longer = "x".repeat(LONGEST - 1);
        assert_eq!(
            one.send(&longer, None).unwrap_err().kind(),
            crate::error::Kind::Invalid
        );
        let packet = vec![b'1'; LONGEST + 1];
        rustix::net::send(&one, &packet, SendFlags::empty()).unwrap();
        assert_eq!(
            other.receive::<u32>().unwrap_err().kind(),
            crate::error::Kind::Corrupt
        );
    }

    #[test]
    fn a_message_that_is_sent_whole_may_be_longer() {
        let (one, other) = Channel::pair().unwrap();
        for length in [1, LONGEST - 2, LONGEST - 1, 10 * LONGEST] {
            let long = "x".repeat(length);
            one.send_whole(&long).unwrap();
            assert_eq!(other.receive_whole::<String>().unwrap().unwrap(), long);
        }
        one.send(&Whole { is_in_file: true }, None).unwrap();
        assert_eq!(
            other.receive_whole::<String>().unwrap_err().kind(),
            Kind::Corrupt
        );
        drop(one);
        assert_eq!(other.receive_whole::<String>().unwrap(), None);
    }

    #[test]
    fn a_closed_end_is_none_and_nonsense_is_an_error() {
        let (one, other) = Channel::pair().unwrap();
        one.send(&"text", None).unwrap();
        drop(one);
        assert_eq!(
            other.receive::<u32>().unwrap_err().kind(),
            crate::error::Kind::Corrupt
        );
        assert!(other.receive::<u32>().unwrap().is_none());
    }
}
