//! Where the frames are, kept from one use of the file to the next: going over a large file reads
//! most of it.

use std::hash::Hasher;

use twox_hash::XxHash64;

use super::contents::{Contents, Start};
use crate::error::Result;
use crate::format::Context;
use crate::source::SharedSource;

/// Bytes of the smallest file for which it is worth it.
const LEAST: u64 = 16 << 20;

/// Starts that are kept at most: 16 MiB of them.
const MOST_STARTS: usize = 1 << 20;

/// What is kept begins with this, the version its last byte.
const MAGIC: &[u8; 8] = b"zstdfra\x01";

/// The frames of `source`: as they were kept, or by going over it.
///
/// # Errors
/// As [`Contents::walk`].
pub(super) fn walk(source: &SharedSource, context: &Context) -> Result<Contents> {
    if source.size() < LEAST {
        return Contents::walk(&**source);
    }
    let stored = context.stored.layer(b"frames");
    let kept = stored.load().and_then(|bytes| read(&bytes));
    if let Some(contents) = kept.filter(|kept| kept.input <= source.size()) {
        return Ok(contents);
    }
    let contents = Contents::walk(&**source)?;
    if contents.starts.len() <= MOST_STARTS {
        stored.save(&write(&contents));
    }
    Ok(contents)
}

fn write(contents: &Contents) -> Vec<u8> {
    let or_none = |at: Option<u64>| at.unwrap_or(u64::MAX);
    let mut numbers = vec![
        contents.input,
        contents.output,
        u64::from(contents.is_bound),
        or_none(contents.cut),
        or_none(contents.trailing),
    ];
    for start in &contents.starts {
        numbers.extend([start.input, start.output]);
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
    bytes.extend(hash(&bytes).to_le_bytes());
    bytes
}

/// `None` for what [`write`] did not make.
fn read(bytes: &[u8]) -> Option<Contents> {
    let (rest, checksum) = bytes.split_last_chunk()?;
    if hash(rest) != u64::from_le_bytes(*checksum) {
        return None;
    }
    let (numbers, _) = rest.strip_prefix(MAGIC)?.as_chunks();
    let mut numbers = numbers.iter().map(|number| u64::from_le_bytes(*number));
    let mut next = || numbers.next();
    let or_none = |at: u64| Some(at).filter(|at| *at != u64::MAX);
    let mut contents = Contents {
        input: next()?,
        output: next()?,
        is_bound: next()? != 0,
        cut: or_none(next()?),
        trailing: or_none(next()?),
        ..Contents::default()
    };
    while let Some((input, output)) = next().zip(next()) {
        contents.starts.push(Start { input, output });
    }
    contents
        .starts
        .is_sorted_by(|one, other| one.input < other.input)
        .then_some(contents)
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_nothing_else_does() {
        let start = |input, output| Start { input, output };
        let contents = Contents {
            starts: vec![start(0, 0), start(9, 1 << 20)],
            input: 100,
            output: 2 << 20,
            is_bound: true,
            trailing: Some(100),
            ..Contents::default()
        };
        let good = write(&contents);
        assert_eq!(read(&good).as_ref(), Some(&contents));
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&bytes), None, "bit {bit}");
        }
        for len in 0..good.len() {
            assert_eq!(read(&good[..len]), None, "{len} bytes");
        }
    }
}
