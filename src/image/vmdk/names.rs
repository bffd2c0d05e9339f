//! The names that a descriptor gives to other files: in its own encoding, and as often as not with
//! a directory of the host that wrote it.

use super::descriptor::Descriptor;
use super::voice::Voice;
use crate::error::{Error, Kind, Result, printable};

/// What a descriptor's `name` may be called on this host, best first.
pub(super) fn candidates(descriptor: &Descriptor, name: &[u8], voice: &Voice) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for own in [
        decoded(descriptor.encoding(), name, voice),
        Some(name.to_vec()),
    ] {
        let own = own.map(|own| beside(&own).to_vec());
        if let Some(own) = own.filter(|own| !found.contains(own)) {
            found.push(own);
        }
    }
    found
}

/// The first of `names` that `open` opens; of several errors the first.
///
/// # Errors
/// As `open`.
pub(super) fn first<T>(names: &[Vec<u8>], open: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
    let mut failed = None;
    for name in names {
        match open(name) {
            Ok(opened) => return Ok(opened),
            Err(error) if error.kind() == Kind::NotFound => {
                failed.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(failed.unwrap_or_else(|| Error::not_found("no file name")))
}

/// `name` in UTF-8, where `encoding` is another one that is known.
fn decoded(encoding: Option<&[u8]>, name: &[u8], voice: &Voice) -> Option<Vec<u8>> {
    let label = encoding.filter(|_| !name.is_ascii())?;
    let Some(encoding) = encoding_rs::Encoding::for_label(label) else {
        let label = printable(label);
        voice.say(&format!(
            "encoding {label} is not known, names are taken as they are"
        ));
        return None;
    };
    let (text, malformed) = encoding.decode_without_bom_handling(name);
    (!malformed).then(|| text.into_owned().into_bytes())
}

/// A path of Windows, which cannot be one of this host, counts as its last part; what it names is
/// checked by the parent's CID or the extent's own header. Any other path is left as it is.
fn beside(name: &[u8]) -> &[u8] {
    let is_drive = matches!(name, [letter, b':', b'\\', ..] if letter.is_ascii_alphabetic());
    match is_drive || name.starts_with(b"\\\\") {
        true => last_part(name),
        false => name,
    }
}

/// What follows the last separator of `name`, of either kind.
pub(super) fn last_part(name: &[u8]) -> &[u8] {
    let parts = name.rsplit(|byte| matches!(byte, b'/' | b'\\'));
    parts.into_iter().next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(encoding: &str, name: &[u8]) -> Vec<Vec<u8>> {
        let text = format!("# Disk DescriptorFile\nencoding=\"{encoding}\"\n");
        let descriptor = Descriptor::parse(text.as_bytes(), 0).unwrap();
        candidates(&descriptor, name, &Voice::default())
    }

    #[test]
    fn names_are_looked_for_in_utf_8_and_then_as_they_are() {
        let latin = b"gr\xf6\xdfe.vmdk";
        assert_eq!(
            names("windows-1252", latin),
            ["größe.vmdk".as_bytes(), latin]
        );
        assert_eq!(names("windows-1251", b"\xe4.vmdk")[0], "д.vmdk".as_bytes());
        assert_eq!(names("GBK", b"\xc4\xe3.vmdk")[0], "你.vmdk".as_bytes());
        assert_eq!(names("UTF-8", "ö".as_bytes()), ["ö".as_bytes()]);
        assert_eq!(names("UTF-8", latin), [latin]);
        assert_eq!(names("klingon", latin), [latin]);
        assert_eq!(names("windows-1252", b"plain"), [b"plain"]);
    }

    #[test]
    fn a_path_of_windows_counts_as_its_last_part() {
        assert_eq!(names("UTF-8", b"C:\\VMs\\a b\\base.vmdk"), [b"base.vmdk"]);
        assert_eq!(
            names("UTF-8", b"\\\\host\\share\\base.vmdk"),
            [b"base.vmdk"]
        );
        assert_eq!(names("UTF-8", b"/vmfs/x/base.vmdk"), [b"/vmfs/x/base.vmdk"]);
        assert_eq!(names("UTF-8", b"../base.vmdk"), [b"../base.vmdk"]);
    }

    #[test]
    fn only_what_is_not_there_leads_to_the_next_name() {
        let both = [b"a".to_vec(), b"b".to_vec()];
        let missing = |name: &[u8]| Error::not_found(printable(name));
        let open = |name: &[u8]| match name {
            b"b" => Ok(2),
            other => Err(missing(other)),
        };
        assert_eq!(first(&both, open), Ok(2));
        let error = first(&both, |name| Err::<(), _>(missing(name))).unwrap_err();
        assert_eq!(error.to_string(), "a");
        let denied = first(&both, |_| Err::<(), _>(Error::new(Kind::Denied, "no"))).unwrap_err();
        assert_eq!(denied.kind(), Kind::Denied);
    }
}
