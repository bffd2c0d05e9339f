//! The OVF descriptor: which files are disks (DMTF DSP0243 2.1.1, clauses 7.2 and 9.1).

use std::collections::HashMap;

use crate::error::{Error, Kind, Result, printable};
use crate::image::xml::{attribute, children, parse};
use crate::number::to_u64;

/// How many disks and files are looked at.
const MOST: usize = 10_000;

/// A file of the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// The byte of the descriptor that its element begins at.
    pub(super) at: u64,
    /// Its name as in the descriptor.
    pub(super) href: String,
    /// All its bytes, where that is said.
    pub(super) size: Option<u64>,
    /// It lies there in chunks called `HREF.000000000` and so on.
    pub(super) chunked: bool,
}

/// What the descriptor says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Package {
    /// The files of disks, in the order of the disks.
    pub(super) disks: Vec<File>,
    /// Disks without a file, which are empty.
    pub(super) blank: Vec<String>,
}

/// Reads the descriptor.
pub(super) fn read(text: &str) -> Result<Package> {
    let document = parse(text)?;
    let root = document.root_element();
    if root.tag_name().name() != "Envelope" {
        let name = printable(root.tag_name().name().as_bytes());
        return Err(Error::corrupt(format!("XML: {name} is no OVF Envelope")));
    }
    let references = children(root, "References").flat_map(|node| children(node, "File"));
    let mut files = HashMap::new();
    for file in references.take(MOST) {
        files.entry(attribute(file, "id")).or_insert(file);
    }
    // OVF 0.9 has sections that differ by their type alone.
    let sections = root.children().filter(|node| {
        node.tag_name().name() == "DiskSection"
            || attribute(*node, "type").is_some_and(|it| it.ends_with("DiskSection_Type"))
    });
    let mut package = Package::default();
    for disk in sections.flat_map(|node| children(node, "Disk")).take(MOST) {
        let id = attribute(disk, "diskId").unwrap_or("").to_owned();
        let Some(wanted) = attribute(disk, "fileRef").filter(|id| !id.is_empty()) else {
            package.blank.push(id);
            continue;
        };
        let file = files.get(&Some(wanted));
        let missing = || {
            let (id, wanted) = (printable(id.as_bytes()), printable(wanted.as_bytes()));
            let error = Error::corrupt(format!("Disk {id}: fileRef {wanted} is no File"));
            error.at(to_u64(disk.range().start))
        };
        let file = file.ok_or_else(missing)?;
        let number = |name: &str| attribute(*file, name).and_then(|it| it.parse().ok());
        let href = attribute(*file, "href").unwrap_or("").to_owned();
        let at = to_u64(file.range().start);
        check_name(&href).map_err(|error| error.at(at))?;
        package.disks.push(File {
            at,
            href,
            size: number("size"),
            chunked: attribute(*file, "chunkSize").is_some(),
        });
    }
    Ok(package)
}

/// A name is one of the package's own files.
fn check_name(href: &str) -> Result<()> {
    let refused = |what: &str| {
        let href = printable(href.as_bytes());
        let text = format!("href {href} {what}");
        Err(Error::new(Kind::Refused, text))
    };
    match href {
        "" => Err(Error::corrupt("a File has no href")),
        _ if href.contains("://") => refused("is not in the package"),
        _ => Ok(()),
    }
}

/// The names that `href` may stand for: itself, or without its percent encoding.
pub(super) fn names(href: &str) -> Vec<Vec<u8>> {
    let own = href.as_bytes().to_vec();
    match decoded(href) {
        decoded if decoded == own => vec![own],
        decoded => vec![own, decoded],
    }
}

fn decoded(href: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(href.len());
    let mut rest = href.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).filter(|_| *first == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        let used = if byte.is_some() { 2 } else { 0 };
        rest = behind.get(used..).unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_in_the_order_of_their_section() {
        let text = r#"<Envelope xmlns:ovf="x"><References>
            <File ovf:id="f1" ovf:href="a.vmdk" ovf:size="7"/>
            <File ovf:id="f2" ovf:href="b%20b" ovf:chunkSize="10"/></References>
            <DiskSection><Disk ovf:diskId="1" ovf:fileRef="f2"/><Disk ovf:diskId="2"/>
            <Disk ovf:diskId="3" ovf:fileRef="f1"/></DiskSection></Envelope>"#;
        let package = read(text).unwrap();
        let names: Vec<_> = package.disks.iter().map(|file| &*file.href).collect();
        assert_eq!(names, ["b%20b", "a.vmdk"]);
        assert_eq!(
            (package.disks[1].size, package.disks[0].chunked),
            (Some(7), true)
        );
        assert_eq!(package.blank, ["2"]);
        assert_eq!(super::names("b%20b"), [b"b%20b".to_vec(), b"b b".to_vec()]);
    }

    #[test]
    fn as_many_disks_as_are_looked_at_find_their_files_in_time() {
        let (mut files, mut disks) = (String::new(), String::new());
        for number in 0..super::MOST {
            files += &format!(r#"<File id="{number}" href="a{number}"/>"#);
            disks += &format!(r#"<Disk diskId="" fileRef="{number}"/>"#);
        }
        // Of several files of one name the first counts.
        files += r#"<File id="7" href="b"/>"#;
        let text = format!(
            "<Envelope><References>{files}</References><DiskSection>{disks}</DiskSection></Envelope>"
        );
        let started = std::time::Instant::now();
        let package = read(&text).unwrap();
        assert!(started.elapsed().as_secs() < 10, "it hangs");
        assert_eq!(package.disks.len(), super::MOST);
        assert_eq!(package.disks[7].href, "a7");
    }

    #[test]
    fn o02_entities_are_refused() {
        let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
            <Envelope>&b;</Envelope>"#;
        let external = r#"<!DOCTYPE x SYSTEM "file:///etc/passwd"><Envelope/>"#;
        for text in [bomb, external] {
            let error = read(text).err().unwrap().to_string();
            assert!(error.contains("document type declaration"), "{error}");
        }
        let many = format!("<Envelope>{}</Envelope>", "<a/>".repeat(300_000));
        assert!(read(&many).is_err());
        let deep = format!("<Envelope>{}", "<a>".repeat(150_000));
        assert!(read(&deep).is_err());
        let deep = "<a>".repeat(150_000) + &"</a>".repeat(150_000);
        assert!(read(&format!("<Envelope>{deep}</Envelope>")).is_ok());
    }
}
