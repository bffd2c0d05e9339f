//! LUKS2's metadata as JSON (specification, chapter 3): read strictly, with no name given twice,
//! into what it says and no more. Whether that makes sense is checked elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use crate::error::{Error, Result, printable};
use crate::number::to_u64;

/// How many objects of a kind there may be, as in cryptsetup.
const MOST: usize = 32;

/// All of it.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) keyslots: Numbered<Keyslot>,
    #[serde(default)]
    pub(super) tokens: Numbered<Token>,
    pub(super) segments: Numbered<Segment>,
    pub(super) digests: Numbered<Digest>,
    pub(super) config: Config,
}

#[derive(Debug, Deserialize)]
pub(super) struct Keyslot {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) key_size: u32,
    pub(super) priority: Option<i64>,
    pub(super) af: Option<Splitter>,
    pub(super) area: Area,
    pub(super) kdf: Option<Kdf>,
    /// Of a reencryption.
    pub(super) mode: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Splitter {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) stripes: u32,
    pub(super) hash: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Area {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) offset: Number,
    pub(super) size: Number,
    pub(super) encryption: Option<String>,
    pub(super) key_size: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Kdf {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) salt: String,
    pub(super) hash: Option<String>,
    pub(super) iterations: Option<u32>,
    pub(super) time: Option<u32>,
    pub(super) memory: Option<u32>,
    pub(super) cpus: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Token {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) keyslots: Vec<Reference>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Segment {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) offset: Number,
    pub(super) size: Size,
    pub(super) iv_tweak: Option<Number>,
    pub(super) encryption: Option<String>,
    pub(super) sector_size: Option<u32>,
    pub(super) integrity: Option<Integrity>,
    #[serde(default)]
    pub(super) flags: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Integrity {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Digest {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) keyslots: Vec<Reference>,
    pub(super) segments: Vec<Reference>,
    pub(super) hash: String,
    pub(super) iterations: u32,
    pub(super) salt: String,
    pub(super) digest: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub(super) json_size: Number,
    pub(super) keyslots_size: Number,
    #[serde(default)]
    pub(super) flags: Vec<String>,
    #[serde(default)]
    pub(super) requirements: Requirements,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Requirements {
    #[serde(default)]
    pub(super) mandatory: Vec<String>,
}

/// Reads `text`, behind which zeros may follow.
///
/// # Errors
/// `Corrupt`, saying where: `text` begins at byte `start`.
pub(super) fn read(text: &[u8], start: u64) -> Result<Metadata> {
    let text = super::layout::text(text);
    serde_json::from_slice(text).map_err(|error| {
        let at = start.saturating_add(to_u64(last_read(text, &error)));
        let said = error.to_string();
        // The line and the column are the byte, which is told by itself.
        let said = said.split(" at line ").next().unwrap_or_default();
        Error::corrupt(format!("JSON: {}", printable(said.as_bytes()))).at(at)
    })
}

/// The last byte of `text` that was looked at before `error`: lines and columns count from 1.
fn last_read(text: &[u8], error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let before = lines.take(error.line().saturating_sub(1));
    let start: usize = before.map(<[u8]>::len).sum();
    start.saturating_add(error.column().saturating_sub(1))
}

/// A number of 64 bits, which JSON has as a text of digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(pub(super) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        digits(&String::deserialize(from)?).map(Self)
    }
}

/// The size of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    /// All up to the end.
    Dynamic,
    Bytes(u64),
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        match String::deserialize(from)?.as_str() {
            "dynamic" => Ok(Self::Dynamic),
            text => digits(text).map(Self::Bytes),
        }
    }
}

/// The number of another object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference(pub(super) u32);

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let number = digits(&String::deserialize(from)?)?;
        u32::try_from(number)
            .map(Self)
            .map_err(|_| D::Error::custom(format!("{number} is no object's number")))
    }
}

fn digits<E: serde::de::Error>(text: &str) -> std::result::Result<u64, E> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_digits);
    number.ok_or_else(|| E::custom(format!("\"{text}\" is no number of 64 bits")))
}

/// Objects by their number, which is their name.
#[derive(Debug)]
pub(super) struct Numbered<T>(pub(super) BTreeMap<u32, T>);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Numbered<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_map(Objects(PhantomData))
    }
}

struct Objects<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Objects<T> {
    type Value = Numbered<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MOST} objects with numbers for names")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut objects = BTreeMap::new();
        while let Some(Reference(number)) = map.next_key()? {
            if objects.insert(number, map.next_value()?).is_some() {
                return Err(A::Error::custom(format!("two objects are called {number}")));
            }
            if objects.len() > MOST {
                return Err(A::Error::custom(format!("more than {MOST} objects")));
            }
        }
        Ok(Numbered(objects))
    }
}
