//! How many bytes a block unpacks to, without unpacking it: "LZ4 Block Format Description".

/// Bytes that `block` unpacks to; `None` where it is no LZ4 block.
///
/// A block is a row of sequences: a token with two lengths of four bits each, more of the first
/// length, so many literals, an offset of two bytes, more of the second length. The last sequence
/// ends with its literals. A length of 15 goes on in bytes until one is under 255.
pub(super) fn unpacked(block: &[u8]) -> Option<u64> {
    let mut bytes = block;
    let mut total = 0_u64;
    loop {
        let (token, rest) = bytes.split_first()?;
        bytes = rest;
        let literals = length(token >> 4, &mut bytes)?;
        bytes = bytes.get(crate::number::to_usize(literals)..)?;
        total = total.checked_add(literals)?;
        if bytes.is_empty() {
            return Some(total);
        }
        bytes = bytes.get(2..)?;
        let matched = length(token & 15, &mut bytes)?.checked_add(4)?;
        total = total.checked_add(matched)?;
    }
}

fn length(start: u8, bytes: &mut &[u8]) -> Option<u64> {
    let mut length = u64::from(start);
    if start < 15 {
        return Some(length);
    }
    loop {
        let (more, rest) = bytes.split_first()?;
        *bytes = rest;
        length = length.checked_add(u64::from(*more))?;
        if *more < 255 {
            return Some(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_matches_count() {
        assert_eq!(unpacked(&[0x10, b'a']), Some(1));
        assert_eq!(unpacked(&[0]), Some(0));
        // One literal, a match of 4 + 15 + 255 + 7 bytes, then five literals.
        let block = [0x1f, b'a', 1, 0, 255, 7, 0x50, 1, 2, 3, 4, 5];
        assert_eq!(unpacked(&block), Some(1 + 281 + 5));
        for cut in 0..block.len() {
            let whole = matches!(cut, 2);
            assert_eq!(unpacked(&block[..cut]).is_some(), whole, "{cut}");
        }
    }
}
