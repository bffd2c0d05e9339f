//! What can be said of bytes that nothing claims, without reading them all.

use crate::error::Result;
use crate::number::to_usize;
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
            false => "unknown data",
        };
        return Ok(what.to_owned());
    }
    let tail = read_vec(source, source.size().saturating_sub(len), to_usize(len))?;
    Ok(match (zeros(&head), zeros(&tail)) {
        (true, true) if source.size() <= LOOK.saturating_mul(2) => "all zeros",
        (true, true) => "zeros in the first and last MiB",
        (true, false) => "zeros at the start, then unknown data",
        _ => "unknown data",
    }
    .to_owned())
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
}
