//! Opens the image for a verb, with the file named in every error.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::arguments::{Opening, Showing};
use super::entries::{Files, request};
use super::exit::Failure;
use super::messages::{log_filter, say};
use super::remote::Remote;
use super::remote::protocol::Ahead;
use crate::error::{Error, printable};
use crate::filesystem::Inode;
use crate::service::mount::Request;
use crate::service::sandbox::Wanted;
use crate::tree;

/// What is said each time.
pub(crate) const WITHOUT_SANDBOX: &str =
    "imgmount: the image is parsed without the sandbox: --no-sandbox";

/// Why a file of this host is not written over.
pub(crate) const OF_THE_IMAGE: &str = "is the image itself, or a file that it is read from";

/// The tree of an image, and the image's name for messages.
pub(crate) struct Opened {
    pub(crate) tree: Remote,
    pub(crate) name: String,
}

/// What the command line asks for. `-o` comes last: an fstab line has nothing else.
pub(crate) fn wanted(
    image: &Path,
    showing: &Showing,
    opening: &Opening,
) -> Result<Request, Failure> {
    let mut request = Request::new(image);
    request.open = opening.options();
    request.tree = showing.options();
    request.log = log_filter(opening.verbose);
    for options in &opening.options {
        request.set_options(options)?;
    }
    if request.open.sandbox == Wanted::Off {
        say(WITHOUT_SANDBOX);
    }
    Ok(request)
}

/// Opens `path` and composes the tree of names that its mount would have. Of each file
/// whose attributes are asked for, `ahead` is wanted too.
pub(crate) fn tree(
    path: &Path,
    opening: &Opening,
    showing: &Showing,
    ahead: Ahead,
) -> Result<Opened, Failure> {
    let request = wanted(path, showing, opening)?;
    Ok(Opened {
        tree: Remote::open(&request, ahead)?,
        name: name_of(path),
    })
}

/// The image, or any other path of this host, as messages name it.
pub(crate) fn name_of(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}

/// The inode at `path`, as in the mount; see [`tree::resolve`].
pub(crate) fn find(files: &dyn Files, path: &[u8], follow: bool) -> Result<Inode, Error> {
    let base_of = |inode| files.volume_root(inode);
    tree::resolve(files, &base_of, &request(), path, follow)
}
