//! Small XML files that describe disks. A document type declaration, the only place where entities
//! are defined, is refused: none of these files has one.

use roxmltree::{Document, Node, ParsingOptions};

use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of a descriptor.
const MOST_BYTES: u64 = 4 << 20;

/// Elements, attributes and pieces of text, so that a small file is no large tree.
const MOST_NODES: u32 = 200_000;

/// The text of the file that `source` is.
pub(super) fn text(source: &dyn Source) -> Result<String> {
    let size = source.size();
    if size > MOST_BYTES {
        let text = format!("a descriptor of {size} bytes is over {MOST_BYTES}");
        return Err(Error::unsupported(text));
    }
    let bytes = read_vec(source, 0, to_usize(size))?;
    String::from_utf8(bytes).map_err(|_| Error::corrupt("the descriptor is not UTF-8"))
}

/// The tree of `text`.
pub(super) fn parse(text: &str) -> Result<Document<'_>> {
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    // Some files end in NULs.
    let text = text.trim_end_matches('\0');
    Document::parse_with_options(text, options).map_err(|error| {
        let place = |what: &str| Error::corrupt(format!("XML: {what} at {}", error.pos()));
        match &error {
            roxmltree::Error::DtdDetected => {
                let error =
                    Error::unsupported("XML: a document type declaration, which is not followed");
                error.at(to_u64(text.find("<!DOCTYPE").unwrap_or(0)))
            }
            roxmltree::Error::NodesLimitReached => {
                Error::unsupported(format!("XML: over {MOST_NODES} nodes"))
            }
            _ => place("not well formed"),
        }
    })
}

/// The children of `node` called `name` in whatever namespace.
pub(super) fn children<'a, 'input: 'a>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    let called = move |child: &Node<'_, '_>| child.tag_name().name() == name;
    node.children().filter(called)
}

/// The attribute called `name` in whatever namespace.
pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let mut attributes = node.attributes();
    let found = attributes.find(|attribute| attribute.name() == name);
    found.map(|attribute| attribute.value())
}

/// The first bytes of `source`, at most `len`, without a byte order mark; to tell what it is.
pub(super) fn start(source: &dyn Source, len: u64) -> Result<Vec<u8>> {
    let bytes = read_vec(source, 0, to_usize(len.min(source.size())))?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    Ok(text.trim_ascii_start().to_vec())
}
