//! ISO 9660, to ECMA-119: with Rock Ridge (IEEE P1282), Joliet, zisofs and El Torito, and High
//! Sierra, which came before it.
//!
//! All methods take `&self` and read through the source, which is cached. The handle of a file tells
//! where its directory record is, and is the number that the kernel gives it: nothing is kept.

mod boot;
mod content;
mod core;
mod date;
mod describe;
mod descriptors;
mod directory;
mod layout;
mod names;
mod node;
mod record;
mod rock_ridge;
mod session;
mod susp;
mod zisofs;

use self::core::{Core, Session};
use self::directory::Directory;
use self::node::Node;
use super::{Attributes, Entry, FileSystem, Inode, Open, Opened, Request, Usage, length_to};
use crate::error::{Error, Result, ResultExt};
use crate::format::{Context, Format};
use crate::source::{Extent, ExtentKind, SharedSource};

/// ISO 9660, by libblkid's name.
pub(super) const FORMAT: Format<Open> = Format {
    name: "iso9660",
    claim: describe::claim,
    describe: describe::describe,
    open,
};

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let source = members.first().ok_or_else(|| Error::invalid("no volume"))?;
    let session = Session::open(&**source, context)?;
    let core = Core::open(source.clone(), &session, context)?;
    let root = core.directory(core.root);
    // None of its files could be reached without it.
    Node::read(&core, &Request::new(0), root)
        .and_then(|root| root.check_directory())
        .context(|| "the root directory")?;
    Ok(Opened {
        extra: boot::volumes(source, &session),
        filesystem: Box::new(Iso9660 { core, root }),
    })
}

/// An open disc.
struct Iso9660 {
    core: Core,
    root: Inode,
}

impl Iso9660 {
    fn node(&self, request: &Request, inode: Inode) -> Result<Node> {
        Node::read(&self.core, request, inode)
    }

    fn file(&self, request: &Request, inode: Inode) -> Result<Node> {
        let node = self.node(request, inode)?;
        let number = core::shown_number(inode);
        node.check_file().context(|| format!("inode {number}"))?;
        Ok(node)
    }
}

impl FileSystem for Iso9660 {
    fn root(&self) -> Inode {
        self.root
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let node = self.node(request, dir)?;
        Directory::open(&self.core, request, &node)?.lookup(name)
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        Ok(self.node(request, inode)?.attributes(&self.core))
    }

    fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let node = self.node(request, dir)?;
        Directory::open(&self.core, request, &node)?.read(cursor, each)
    }

    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let node = self.file(request, file)?;
        let number = core::shown_number(file);
        content::read(&self.core, request, &node, buf, offset).context(|| format!("inode {number}"))
    }

    /// The kernel's driver knows no holes.
    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let size = self.file(request, file)?.size();
        Ok(Extent {
            kind: ExtentKind::Data,
            len: length_to(offset, size)?,
        })
    }

    fn read_link(&self, request: &Request, link: Inode) -> Result<Vec<u8>> {
        let number = core::shown_number(link);
        let node = self.node(request, link)?;
        node.target().context(|| format!("inode {number}"))
    }

    fn xattr_names(&self, _: &Request, _: Inode, _: &mut dyn FnMut(&[u8])) -> Result<()> {
        Ok(())
    }

    fn xattr(&self, _: &Request, _: Inode, _: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn has_no_xattrs(&self, _: &Request) -> bool {
        true
    }

    fn usage(&self) -> Usage {
        Usage {
            block_size: u32::try_from(self.core.block_size()).unwrap_or(2048),
            blocks: self.core.blocks.into(),
            name_max: 255,
            ..Usage::default()
        }
    }
}
