//! Opens the image for a verb, with the file named in every error.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::arguments::{Opening, Showing};
use super::entries::{Files, request};
use super::exit::Failure;
use super::messages::{log_filter, say};
use super::progress::Bars;
use crate::error::{Error, printable};
use crate::filesystem::Inode;
use crate::format::{self, Notices};
use crate::service::mount::Request;
use crate::service::open::{self, Image, Seen};
use crate::tree::{self, Tree};

/// The tree of an image, and the image's name for messages.
pub(crate) struct Opened {
    pub(crate) tree: Tree,
    pub(crate) name: String,
    _late: Late,
}

/// What was odd about an image: says at its end what was found since it was made, for instance
/// that somebody wrote to the image meanwhile.
pub(crate) struct Late {
    name: String,
    notices: Arc<Notices>,
    said: usize,
}

impl Late {
    fn say(&mut self) {
        let all = self.notices.all();
        for notice in all.iter().skip(self.said) {
            say(&format!("imgmount: {}: {notice}", self.name));
        }
        self.said = all.len();
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.say();
    }
}

/// Opens `path`.
pub(crate) fn image(path: &Path, opening: &Opening) -> Result<Image, Failure> {
    seen(path, opening, &Seen::default())
}

/// Opens `path` and notes in `seen` what is known of it, also where it is refused.
pub(crate) fn seen(path: &Path, opening: &Opening, seen: &Seen) -> Result<Image, Failure> {
    let request = wanted(path, &Showing::default(), opening)?;
    open_request(&request, seen)
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
    Ok(request)
}

fn open_request(request: &Request, seen: &Seen) -> Result<Image, Failure> {
    let bars = Arc::new(Bars::new());
    let progress: Arc<dyn format::Progress> = bars.clone();
    let seen = Seen {
        progress: Some(progress),
        ..seen.clone()
    };
    let opened = open::open_seen(&request.image, &request.open, &seen);
    bars.close();
    Ok(opened?)
}

/// Opens `path` and composes the tree of names that its mount would have.
pub(crate) fn tree(path: &Path, opening: &Opening, showing: &Showing) -> Result<Opened, Failure> {
    let request = wanted(path, showing, opening)?;
    let image = open_request(&request, &Seen::default())?;
    let late = notices(path, &image);
    let mut options = request.tree;
    options.owner = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    options.time = modified(path);
    let name = name_of(path);
    match Tree::compose(image.stack, &options) {
        Ok(tree) => Ok(Opened {
            tree,
            name,
            _late: late,
        }),
        Err(error) => Err(error.context(name).into()),
    }
}

/// When the image was last changed; 1970 where the host does not say.
fn modified(path: &Path) -> crate::filesystem::Timestamp {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = path.metadata() else {
        return crate::filesystem::Timestamp::default();
    };
    crate::filesystem::Timestamp {
        seconds: metadata.mtime(),
        nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
    }
}

/// Says what was odd when the image was opened.
pub(crate) fn notices(path: &Path, image: &Image) -> Late {
    let mut late = Late {
        name: name_of(path),
        notices: image.notices.clone(),
        said: 0,
    };
    late.say();
    late
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
