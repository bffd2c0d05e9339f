//! A toy stream: blocks of a length (4 bytes, little-endian) and so many bytes, each one XORed with
//! a key that starts at 1 and grows by 1 with every block. A length of 0 ends it. A block whose
//! length is [`DAMAGED`] cannot be decoded; one of [`ANEW`] starts again with key 1 behind it.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Barrier};

use super::super::*;
use crate::cache::Cache;
use crate::source::mapped::Mapped;
use crate::source::{Memory, SharedSource};

pub(super) const DAMAGED: u32 = u32::MAX;
pub(super) const ANEW: u32 = u32::MAX - 1;
/// Behind the last block: what was given does not match.
pub(super) const BAD_SUM: u32 = u32::MAX - 2;

#[derive(Default)]
pub(super) struct Spy {
    pub(super) resumed: AtomicUsize,
    pub(super) working: AtomicUsize,
    pub(super) most_working: AtomicUsize,
    pub(super) notices: Mutex<Vec<String>>,
    pub(super) saved: Mutex<Option<Vec<u8>>>,
    pub(super) begun: AtomicUsize,
}

impl Spy {
    pub(super) fn saved(&self) -> Vec<u8> {
        lock(&self.saved).clone().unwrap()
    }
}

pub(super) struct Toy {
    source: SharedSource,
    spy: Arc<Spy>,
    memory: u64,
    /// Every decoder meets another one here, once.
    meeting: Option<Arc<Barrier>>,
}

pub(super) struct ToyDecoder {
    cursor: Cursor,
    key: u8,
    left: u32,
    output: u64,
    next: Option<Point>,
    spy: Arc<Spy>,
    memory: u64,
    meeting: Option<Arc<Barrier>>,
}

impl Codec for Toy {
    fn resume(&self, point: &Point) -> Result<Box<dyn Decoder>> {
        self.spy.resumed.fetch_add(1, Ordering::Relaxed);
        let key = match (point.state.as_slice(), point.input) {
            ([], _) => 1,
            ([key], _) => *key,
            _ => return Err(Error::corrupt("no such state")),
        };
        Ok(Box::new(ToyDecoder {
            cursor: Cursor::new(self.source.clone(), point.input),
            key,
            left: 0,
            output: point.output,
            next: None,
            spy: self.spy.clone(),
            memory: self.memory,
            meeting: self.meeting.clone(),
        }))
    }
}

impl Decoder for ToyDecoder {
    fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        if let Some(meeting) = self.meeting.take() {
            meeting.wait();
        }
        let now = self.spy.working.fetch_add(1, Ordering::SeqCst) + 1;
        self.spy.most_working.fetch_max(now, Ordering::SeqCst);
        let result = self.decode_block(buf);
        self.spy.working.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn point(&self) -> Option<Point> {
        let own = Point {
            output: self.output,
            input: self.cursor.position(),
            state: vec![self.key],
        };
        (self.left == 0).then_some(own)
    }

    fn behind_damage(&self) -> Option<Point> {
        self.next.clone()
    }

    fn memory(&self) -> u64 {
        self.memory
    }
}

impl ToyDecoder {
    fn decode_block(&mut self, buf: &mut [u8]) -> Result<usize> {
        if self.left == 0 {
            let mut len = [0; 4];
            self.cursor.fill(&mut len)?;
            match u32::from_le_bytes(len) {
                0 => return Ok(0),
                DAMAGED => return Err(Error::corrupt("damaged").at(self.cursor.position())),
                BAD_SUM => return Err(Error::corrupt("bad checksum")),
                ANEW => {
                    self.next = Some(Point {
                        output: self.output,
                        input: self.cursor.position(),
                        state: Vec::new(),
                    });
                    return Err(Error::corrupt("lost until here"));
                }
                len => self.left = len,
            }
        }
        let len = buf.len().min(self.left as usize);
        self.cursor.fill(&mut buf[..len])?;
        buf[..len].iter_mut().for_each(|byte| *byte ^= self.key);
        self.left -= len as u32;
        self.output += len as u64;
        if self.left == 0 {
            self.key = self.key.wrapping_add(1);
        }
        Ok(len)
    }
}

pub(super) struct Ear(Arc<Spy>);

pub(super) struct Nothing;

impl Work for Nothing {
    fn advance(&self, _bytes: u64) {}
}

impl Listener for Ear {
    fn notice(&self, text: String) {
        lock(&self.0.notices).push(text);
    }

    fn begin(&self, _total: Option<u64>) -> Box<dyn Work> {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Box::new(Nothing)
    }

    fn save(&self, index: &[u8]) {
        *lock(&self.0.saved) = Some(index.to_vec());
    }
}

/// Packs `bytes` in blocks of `block` bytes, without an end.
pub(super) fn pack(bytes: &[u8], block: usize) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut key = 1_u8;
    for block in bytes.chunks(block) {
        packed.extend((block.len() as u32).to_le_bytes());
        packed.extend(block.iter().map(|byte| byte ^ key));
        key = key.wrapping_add(1);
    }
    packed
}

pub(super) fn ended(mut packed: Vec<u8>, mark: u32) -> Vec<u8> {
    packed.extend(mark.to_le_bytes());
    packed
}

/// What a test reads.
pub(super) struct Case {
    pub(super) packed: Vec<u8>,
    pub(super) known: Vec<Point>,
    pub(super) size: Option<u64>,
    pub(super) stored: Option<Vec<u8>>,
    pub(super) memory: u64,
    pub(super) meeting: Option<Arc<Barrier>>,
    pub(super) decoding: Decoding,
}

impl Case {
    pub(super) fn of(bytes: &[u8], block: usize) -> Self {
        Self {
            packed: ended(pack(bytes, block), 0),
            known: Vec::new(),
            size: Some(bytes.len() as u64),
            stored: None,
            memory: 1,
            meeting: None,
            decoding: Decoding::default(),
        }
    }

    pub(super) fn open(self) -> (Arc<Mapped<Streamed>>, Arc<Spy>) {
        let spy = Arc::new(Spy::default());
        let codec = Toy {
            source: Arc::new(Memory(self.packed)),
            spy: spy.clone(),
            memory: self.memory,
            meeting: self.meeting,
        };
        let ear = Box::new(Ear(spy.clone()));
        let stored = self.stored.as_deref();
        let most = 1 << 40;
        let streamed = Streamed::new(
            Box::new(codec),
            self.known,
            most,
            ear,
            b"toy",
            stored,
            &self.decoding,
        )
        .unwrap();
        if let Some(size) = self.size {
            streamed.set_size(size);
        }
        let cache = Cache::new(64 << 20);
        let mapped = Mapped::new(streamed, Vec::new(), None, cache);
        (Arc::new(mapped), spy)
    }
}
