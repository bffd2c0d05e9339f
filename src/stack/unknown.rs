//! What can be said of bytes that nothing claims, without reading them all.

use crate::error::Result;
use crate::number::{to_u64, to_usize};
use crate::source::{ExtentKind, Source, read_vec};

/// How many bytes at either end are looked at.
const LOOK: u64 = 1 << 20;

/// How many extents are asked for before the rest is taken for data.
const EXTENTS: usize = 4096;

/// What `source` looks like: `empty`, `all zeros`, a boot sector, or other data.
///
/// # Errors
/// As [`Source::read_exact_at`].
pub(super) fn describe(source: &dyn Source) -> Result<String> {
    if source.size() == 0 {
        return Ok("empty".to_owned());
    }
    if is_hole(source)? {
        return Ok("all zeros".to_owned());
    }
    let len = source.size().min(LOOK);
    let head = read_vec(source, 0, to_usize(len))?;
    if head.get(510..512) == Some(&[0x55, 0xaa]) {
        let empty = head.get(446..510).is_some_and(zeros);
        let table = if empty {
            "an empty partition table"
        } else {
            "no partition table"
        };
        return Ok(format!(
            "a boot sector with {table} and no known file system"
        ));
    }
    if source.end_is_far() {
        let what = match zeros(&head) {
            true => "zeros in the first MiB",
            false if is_random(&head) => RANDOM,
            false => "unknown data",
        };
        return Ok(what.to_owned());
    }
    let tail = read_vec(source, source.size().saturating_sub(len), to_usize(len))?;
    Ok(match (zeros(&head), zeros(&tail)) {
        (true, true) if source.size() <= LOOK.saturating_mul(2) => "all zeros",
        (true, true) => "zeros in the first and last MiB",
        (true, false) => "zeros at the start, then unknown data",
        _ if is_random(&head) && is_random(&tail) => RANDOM,
        _ => "unknown data",
    }
    .to_owned())
}

/// What is said of bytes in which every value is as frequent as any other. There is no more to see:
/// a container without a header has been made to look like that.
const RANDOM: &str = "random data: encrypted without a header that says so (VeraCrypt, TrueCrypt, \
                      plain dm-crypt), or overwritten with random bytes";

/// Fewer bytes say nothing about frequencies.
const ENOUGH: usize = 64 * 1024;

/// Whether each value of a byte is there about as often as by chance: Pearson's chi-squared with 255
/// degrees of freedom, whose mean is 255, is over 400 once in ten million times. Compressed data of
/// this length are well above.
fn is_random(bytes: &[u8]) -> bool {
    let mut counts = [0_u64; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let len = to_u64(bytes.len());
    // Both sides of `sum((count - len / 256)^2) / (len / 256) < 400` times 256 * len.
    let far = |count: &u64| count.saturating_mul(256).abs_diff(len);
    let squares = counts.iter().map(|count| far(count).saturating_pow(2));
    let sum = squares.fold(0_u64, u64::saturating_add);
    bytes.len() >= ENOUGH && sum < len.saturating_mul(256).saturating_mul(400)
}

fn zeros(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    let are_zero = |chunk: &[u8]| ZEROS.get(..chunk.len()) == Some(chunk);
    bytes.chunks(ZEROS.len()).all(are_zero)
}

/// Whether the layers below know that there are no data at all.
fn is_hole(source: &dyn Source) -> Result<bool> {
    let mut offset = 0;
    for _ in 0..EXTENTS {
        let extent = source.extent_at(offset)?;
        if extent.kind == ExtentKind::Data {
            return Ok(false);
        }
        offset = offset.saturating_add(extent.len.get());
        if offset >= source.size() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn zeros_boot_sectors_and_data_are_told_apart() {
        let describe = |bytes: Vec<u8>| describe(&Memory(bytes)).expect("memory reads");
        let mut boot = vec![0; 4096];
        boot[510..512].copy_from_slice(&[0x55, 0xaa]);
        let mut late = vec![0; 3 << 20];
        late[(3 << 20) - 1] = 1;
        assert_eq!(describe(Vec::new()), "empty");
        assert_eq!(
            describe(vec![0; 3 << 20]),
            "zeros in the first and last MiB"
        );
        assert_eq!(describe(vec![0; 3 << 19]), "all zeros");
        let mut code = boot.clone();
        code[446] = 7;
        assert_eq!(
            describe(boot),
            "a boot sector with an empty partition table and no known file system"
        );
        assert_eq!(
            describe(code),
            "a boot sector with no partition table and no known file system"
        );
        assert_eq!(describe(late), "zeros at the start, then unknown data");
        assert_eq!(describe(vec![7; 4096]), "unknown data");
    }

    #[test]
    fn random_bytes_are_told_from_compressed_ones() {
        // Numbers of a generator, each once, through a hash that mixes them well.
        let word = |number: u64| {
            let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ mixed >> 31).to_le_bytes()
        };
        let random: Vec<u8> = (0..1 << 16).flat_map(word).collect();
        let text: String = (0..200_000).map(|number| format!("{number} ")).collect();
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
        std::io::Write::write_all(&mut packer, text.as_bytes()).unwrap();
        let packed = packer.finish().unwrap();
        assert!(packed.len() > ENOUGH);
        assert!(is_random(&random) && !is_random(&packed));
        assert!(!is_random(random.get(..1000).unwrap()));
        let said = describe(&Memory(random)).unwrap();
        assert!(said.starts_with("random data: encrypted without"), "{said}");
    }
}
