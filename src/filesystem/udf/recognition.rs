//! The volume recognition sequence (ECMA-167, 2/8 and 3/9): from byte 32,768 on, structures of
//! 2,048 bytes or of one sector, where that is larger, that say which standards the volume follows.
//! Those of ISO 9660 may stand before.

use crate::error::Result;
use crate::source::{Source, read_vec};

const START: u64 = 32768;

/// Structures looked at: more than any disc has, boot descriptors included.
const MOST: u64 = 64;

/// How far apart structures may be: 2,048 bytes, or a sector.
const STEPS: [u64; 5] = [2048, 4096, 8192, 16384, 32768];

/// `NSR02` or `NSR03`, as the volume says that it is UDF.
///
/// # Errors
/// As [`Source::read_exact_at`].
pub(super) fn standard(source: &dyn Source) -> Result<Option<&'static str>> {
    for step in STEPS {
        if let Some(standard) = sequence(source, step)? {
            return Ok(Some(standard));
        }
    }
    Ok(None)
}

/// Whether the sequence stands where it has to for blocks of `1 << block_bits` bytes.
pub(super) fn stands(source: &dyn Source, block_bits: u32) -> bool {
    let step = 1_u64.checked_shl(block_bits).unwrap_or(0).max(2048);
    sequence(source, step).is_ok_and(|standard| standard.is_some())
}

/// The standard named between `BEA01` and `TEA01`. As the kernel, which has met such discs, this
/// does not insist on either.
fn sequence(source: &dyn Source, step: u64) -> Result<Option<&'static str>> {
    for index in 0..MOST {
        let at = step.saturating_mul(index).saturating_add(START);
        if at.saturating_add(7) > source.size() {
            break;
        }
        let head = read_vec(source, at, 7)?;
        match head.get(1..6).unwrap_or_default() {
            b"NSR02" => return Ok(Some("NSR02")),
            b"NSR03" => return Ok(Some("NSR03")),
            b"BEA01" | b"BOOT2" | b"CD001" | b"CDW02" => {}
            _ => break,
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;
    use crate::source::Memory;

    fn volume(step: usize, names: &[&[u8; 5]]) -> Memory {
        let mut bytes = vec![0; 32768 + step * 16];
        for (index, name) in names.iter().enumerate() {
            let at = 32768 + step * index + 1;
            bytes[at..at + 5].copy_from_slice(*name);
        }
        Memory(bytes)
    }

    #[test]
    fn structures_of_2048_bytes_and_of_larger_sectors() {
        let names = [b"CD001", b"CD001", b"BEA01", b"NSR02", b"TEA01"];
        for step in [2048, 4096, 32768] {
            let found = standard(&volume(step, &names)).unwrap();
            assert_eq!(found, Some("NSR02"), "{step}");
        }
        let found = standard(&volume(2048, &[b"BEA01", b"NSR03"])).unwrap();
        assert_eq!(found, Some("NSR03"));
    }

    #[test]
    fn a_sequence_ends_where_something_else_stands() {
        assert_eq!(
            standard(&volume(2048, &[b"BEA01", b"TEA01", b"TEA01", b"NSR02"])).unwrap(),
            None
        );
        assert_eq!(
            standard(&volume(2048, &[b"\0\0\0\0\0", b"NSR02"])).unwrap(),
            None
        );
        assert_eq!(standard(&Memory(vec![0; 32768])).unwrap(), None);
    }
}
