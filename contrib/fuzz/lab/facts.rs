//! What can be seen of one file: what the reference says, and a broken image must say too of what
//! was not hit.

use std::hash::{DefaultHasher, Hash, Hasher};

use imgmount::error::Result;
use imgmount::filesystem::{Attributes, FileSystem, FileType, Inode};
use imgmount::source::ExtentKind;
use imgmount::tree::Tree;
use serde::{Deserialize, Serialize};

use super::limits::request;

/// Up to this size a file is one thing; a larger one is looked at in pieces, each by itself.
pub const WHOLE: u64 = 64 << 10;
/// The length of such a piece.
pub const PIECE: u64 = 16 << 10;
/// What is seen where no file of that name is.
pub const NOTHING: &str = "nothing is there";
/// Extents of a file that are looked at.
const EXTENTS: usize = 200;

/// What of a file is looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Part {
    /// Its attributes, extended ones too, entries, target, and contents unless they are large.
    Itself,
    /// The piece of its contents that starts there.
    Piece(u64),
}

/// What was seen, or the error. Errors are not compared by what they say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Facts {
    Seen(String),
    Failed(String),
}

/// Looks at a `part` of what `path` leads to.
pub fn look(tree: &Tree, path: &[Vec<u8>], part: &Part) -> Facts {
    let seen = find(tree, path).and_then(|found| match found {
        None => Ok(NOTHING.to_owned()),
        Some(inode) => match part {
            Part::Itself => itself(tree, inode),
            Part::Piece(offset) => piece(tree, inode, *offset, PIECE),
        },
    });
    match seen {
        Ok(seen) => Facts::Seen(seen),
        Err(error) => Facts::Failed(error.to_string()),
    }
}

fn find(tree: &Tree, path: &[Vec<u8>]) -> Result<Option<Inode>> {
    let mut inode = tree.root();
    for name in path {
        match request("lookup", |on| tree.lookup(on, inode, name))? {
            Some(found) => inode = found,
            None => return Ok(None),
        }
    }
    Ok(Some(inode))
}

fn itself(tree: &Tree, inode: Inode) -> Result<String> {
    let found = request("attributes", |on| tree.attributes(on, inode))?;
    let mut said = shown(&found);
    match found.kind {
        FileType::Directory => said.push_str(&format!(" {:?}", entries(tree, inode)?)),
        FileType::Symlink => {
            let target = request("read_link", |on| tree.read_link(on, inode))?;
            said.push_str(&format!(" to {:?}", String::from_utf8_lossy(&target)));
        }
        FileType::Regular if found.size <= WHOLE => {
            said.push_str(&extents(tree, inode, found.size)?);
            said.push_str(&piece(tree, inode, 0, found.size)?);
        }
        _ => {}
    }
    for (name, value) in xattrs(tree, inode)? {
        said.push_str(&format!(
            " {name}={}",
            value.map_or(0, |value| hash(&value))
        ));
    }
    Ok(said)
}

/// All but the number, which the tree may hand out in the order in which files are met.
fn shown(found: &Attributes) -> String {
    let without_number = Attributes {
        ino: 0,
        ..found.clone()
    };
    format!("{without_number:?}")
}

fn entries(tree: &Tree, directory: Inode) -> Result<Vec<(String, Option<FileType>)>> {
    let mut entries = Vec::new();
    request("read_dir", |on| {
        tree.read_dir(on, directory, 0, &mut |entry| {
            let name = String::from_utf8_lossy(entry.name).into_owned();
            entries.push((name, entry.kind));
            entries.len() < 1000
        })
    })?;
    Ok(entries)
}

fn extents(tree: &Tree, file: Inode, size: u64) -> Result<String> {
    let (mut said, mut offset, mut before) = (String::new(), 0, None);
    for _ in 0..EXTENTS {
        if offset >= size {
            break;
        }
        let extent = request("extent_at", |on| tree.extent_at(on, file, offset))?;
        // Where one extent ends and the next of its kind begins is nobody's business.
        let is_data = extent.kind == ExtentKind::Data;
        if before.replace(is_data) != Some(is_data) {
            let kind = if is_data { "data" } else { "hole" };
            said.push_str(&format!(" {kind} from {offset}"));
        }
        offset = offset.saturating_add(extent.len.get());
    }
    Ok(said)
}

fn piece(tree: &Tree, file: Inode, offset: u64, len: u64) -> Result<String> {
    let mut bytes = vec![0; len as usize];
    let mut done = 0;
    while done < bytes.len() {
        let at = offset + done as u64;
        match request("read", |on| tree.read(on, file, &mut bytes[done..], at))? {
            0 => break,
            count => done += count,
        }
    }
    Ok(format!(" {done} bytes {:x}", hash(&bytes[..done])))
}

/// Their names, and values where there are such.
pub fn xattrs(tree: &Tree, inode: Inode) -> Result<Vec<(String, Option<Vec<u8>>)>> {
    let mut names = Vec::new();
    request("xattr_names", |on| {
        tree.xattr_names(on, inode, &mut |name| names.push(name.to_vec()))
    })?;
    names.truncate(200);
    let mut found = Vec::new();
    for name in names {
        let value = request("xattr", |on| tree.xattr(on, inode, &name))?;
        found.push((String::from_utf8_lossy(&name).into_owned(), value));
    }
    Ok(found)
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
