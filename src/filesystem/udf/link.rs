//! Symbolic links: a list of path components (ECMA-167, 4/14.16), made into a path as the kernel
//! does it.

use std::borrow::Cow;

use super::content;
use super::icb::FileEntry;
use super::layout::RawPathComponent;
use super::tag;
use super::text;
use super::volume::Volume;
use crate::error::{Error, Result};
use crate::filesystem::{Request, names};
use crate::number::to_usize;

/// Bytes of components at most: a path of the longest kind, twice over for wide characters, with
/// what stands before each of its components.
const MOST_BYTES: u64 = 32 << 10;

/// Bytes of a target at most (`PATH_MAX`, with its NUL).
const MOST_TARGET: usize = 4095;

/// The target of the link `file`.
///
/// # Errors
/// `Corrupt` for components that leave the file, or a target that no path can be.
pub(super) fn target(volume: &Volume, request: &Request, file: &FileEntry) -> Result<Vec<u8>> {
    let read = || {
        if file.size > MOST_BYTES {
            let text = format!("{} bytes of path components", file.size);
            return Err(Error::corrupt(text));
        }
        let mut bytes = vec![0; to_usize(file.size)];
        content::read(volume, request, file, &mut bytes, 0)?;
        path(&bytes)
    };
    let place = || format!("symbolic link {}", file.icb.text());
    read().map_err(|error| error.context(place()).at(file.place))
}

fn path(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut path = Vec::new();
    while !bytes.is_empty() {
        let raw: RawPathComponent = tag::view(bytes, "path component")?;
        let length = usize::from(raw.length_of_component_identifier);
        let behind = bytes
            .get(size_of::<RawPathComponent>()..)
            .unwrap_or_default();
        // Only names and the root of an agreed place have identifiers.
        let length = if matches!(raw.component_type, 1 | 5) {
            length
        } else {
            0
        };
        let (name, rest) = behind.split_at_checked(length).ok_or_else(|| {
            Error::corrupt(format!(
                "length_of_component_identifier {length} leaves the link"
            ))
        })?;
        match raw.component_type {
            1 if length > 0 => {}
            1 | 2 => path = b"/".to_vec(),
            3 => path.extend_from_slice(b"../"),
            4 => path.extend_from_slice(b"./"),
            5 => {
                let name = text::characters(name)?;
                path.extend_from_slice(&names::usable(Cow::Owned(name)));
                path.push(b'/');
            }
            _ => {}
        }
        bytes = rest;
    }
    if path.len() > 1 {
        path.pop(); // the slash behind the last component
    }
    match path.len() {
        0 => Err(Error::corrupt("it leads nowhere")),
        1..=MOST_TARGET => Ok(path),
        length => Err(Error::corrupt(format!("a target of {length} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(kind: u8, name: &[u8]) -> Vec<u8> {
        let length = u8::try_from(name.len()).unwrap();
        [&[kind, length, 0, 0], name].concat()
    }

    fn joined(components: &[(u8, &[u8])]) -> Result<Vec<u8>> {
        let bytes: Vec<_> = components
            .iter()
            .map(|(kind, name)| component(*kind, name))
            .collect();
        path(&bytes.concat())
    }

    #[test]
    fn components_make_paths_as_in_the_kernel() {
        let name = &b"\x08a"[..];
        assert_eq!(
            joined(&[(3, b""), (3, b""), (5, name)]).unwrap(),
            b"../../a"
        );
        assert_eq!(
            joined(&[(2, b""), (5, name), (5, b"\x10\x03\x98")]).unwrap(),
            "/a/Θ".as_bytes()
        );
        assert_eq!(joined(&[(4, b"")]).unwrap(), b".");
        assert_eq!(joined(&[(2, b"")]).unwrap(), b"/");
        assert_eq!(joined(&[(5, name), (1, b""), (5, name)]).unwrap(), b"/a");
        assert_eq!(joined(&[(1, b"disc"), (5, name)]).unwrap(), b"a");
        assert_eq!(joined(&[(5, b"\x08a/b")]).unwrap(), b"a\\x2fb");
    }

    #[test]
    fn what_can_be_no_target_is_damage() {
        assert!(joined(&[]).is_err());
        assert!(path(&[5, 9, 0, 0, 8]).is_err());
        assert!(path(&[5, 0, 0]).is_err());
        let long = [&[8][..], &[b'a'; 200]].concat();
        assert!(joined(&vec![(5, &long[..]); 21]).is_err());
    }
}
