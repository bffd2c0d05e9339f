//! LUKS, versions 1 and 2: a header with keyslots, each of which holds the key of the data,
//! encrypted with what a passphrase becomes.
//!
//! A volume and a disk image both may have such a header; this is what both do with it.

mod info;
mod json;
mod keyslot;
mod layout;
mod luks1;
mod luks2;
mod merge;
mod metadata;
mod open;
mod places;
mod search;
mod segment;

use self::info::Facts;
use self::keyslot::{Digest, Keyslot};
pub use self::open::Unlocked;
use self::segment::Segment;
use crate::error::{Error, Result};
use crate::format::Description;
use crate::source::{Source, read_vec};

/// A header, checked.
#[derive(Clone, Debug, Default)]
pub struct Header {
    version: u32,
    uuid: String,
    label: Option<Vec<u8>>,
    facts: Facts,
    features: Vec<String>,
    keyslots: Vec<Keyslot>,
    digests: Vec<Digest>,
    /// What the volume is made of, in this order.
    segments: Vec<Segment>,
    /// Why it is not opened, although the header is in order.
    refusal: Option<Error>,
    /// What is odd but does not matter.
    notices: Vec<String>,
    /// It was the header at the start that was read, and not only a copy of it.
    is_first_whole: bool,
}

/// What of LUKS stands in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// A header at the start.
    Header,
    /// Only LUKS2's second header.
    SecondHeader,
}

/// Whether there is a header, without a look at what it says.
#[must_use]
pub fn find(source: &dyn Source) -> Option<Trace> {
    let start = read_vec(source, 0, 6).unwrap_or_default();
    if start == layout::MAGIC || start == layout::OFF_MAGIC {
        return Some(Trace::Header);
    }
    luks2::second(source).map(|_| Trace::SecondHeader)
}

impl Header {
    /// Reads the header at the start of `source`, which need not hold the data.
    ///
    /// # Errors
    /// `Corrupt` naming the field, `Unsupported` for what is not known.
    pub fn read(source: &dyn Source, ignore_checksums: bool) -> Result<Self> {
        if luks1::is_here(source) {
            let mut header = luks1::read(source)?;
            header.facts = info::facts_of_1(&header);
            header.is_first_whole = true;
            return Ok(header);
        }
        let start = read_vec(source, 0, 8)?;
        if start.starts_with(&layout::OFF_MAGIC) {
            let text = "reencryption in progress (LUKS1, by cryptsetup-reencrypt)";
            return Err(Error::unsupported(text).at(0));
        }
        if start.starts_with(&layout::MAGIC) && !luks2::is_here(source) {
            let version = start.get(6..).unwrap_or_default();
            let text = format!("version {version:?} is neither 1 nor 2");
            return Err(Error::unsupported(text).at(6));
        }
        luks2::read(source, ignore_checksums)
    }

    /// As people call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.version {
            1 => "LUKS1",
            _ => "LUKS2",
        }
    }

    /// Whether the header at the start is in order, and not only its copy.
    #[must_use]
    pub fn is_first_whole(&self) -> bool {
        self.is_first_whole
    }

    /// What is odd but does not matter.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// What `info` says.
    #[must_use]
    pub fn describe(&self) -> Description {
        Description {
            label: self.label.clone(),
            uuid: Some(self.uuid.clone()),
            features: self.features.clone(),
            facts: self.facts.clone(),
            ..Description::default()
        }
    }
}
