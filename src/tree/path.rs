//! Paths for the verbs: the kernel walks them for a mount, this does without one.

use crate::error::{Error, Kind, Result, printable};
use crate::filesystem::{FileSystem, FileType, Inode, Request};

/// How many symbolic links one path may lead through, as in path_resolution(7).
const MOST_LINKS: u32 = 40;

/// The inode at `path`, bytes with `/` between names, from the root of `filesystem`. Symbolic links
/// are followed, the last name's only if `follow`. `base_of` gives the root that absolute links in a
/// directory start from and `..` in a link does not leave: a volume's links mean its own files.
///
/// # Errors
/// `NotFound` and `NotADirectory` name the component; `Invalid` after 40 links.
pub fn resolve(
    filesystem: &dyn FileSystem,
    base_of: &dyn Fn(Inode) -> Inode,
    request: &Request,
    path: &[u8],
    follow: bool,
) -> Result<Inode> {
    let root = filesystem.root();
    let mut walk = Walk {
        filesystem,
        base_of,
        request,
        trail: vec![root],
        todo: Vec::new(),
        links: 0,
    };
    walk.push(path, 0);
    while let Some(step) = walk.todo.pop() {
        walk.step(&step, follow)?;
    }
    Ok(walk.here())
}

struct Walk<'a> {
    filesystem: &'a dyn FileSystem,
    base_of: &'a dyn Fn(Inode) -> Inode,
    request: &'a Request,
    /// The directories from the root to where the walk is, for `..`.
    trail: Vec<Inode>,
    /// The components still to go, the next one last.
    todo: Vec<Step>,
    links: u32,
}

struct Step {
    name: Vec<u8>,
    /// `..` does not lead above this index of the trail.
    floor: usize,
}

impl Walk<'_> {
    fn here(&self) -> Inode {
        let last = self.trail.last().copied();
        last.unwrap_or_else(|| self.filesystem.root())
    }

    /// Puts the components of `path` before those still to go. One that ends in `/` means the
    /// directory, through whatever link leads there.
    fn push(&mut self, path: &[u8], floor: usize) {
        if path.ends_with(b"/") {
            let name = b".".to_vec();
            self.todo.push(Step { name, floor });
        }
        let names = path.split(|byte| *byte == b'/').rev();
        self.todo
            .extend(names.filter(|name| !name.is_empty()).map(|name| Step {
                name: name.to_vec(),
                floor,
            }));
    }

    fn step(&mut self, step: &Step, follow: bool) -> Result<()> {
        self.request.spend(1)?;
        match step.name.as_slice() {
            b"." => return self.check_directory(),
            b".." => {
                self.check_directory()?;
                let floor = step.floor.saturating_add(1);
                if self.trail.len() > floor {
                    self.trail.pop();
                }
                return Ok(());
            }
            _ => {}
        }
        let name = || printable(&step.name);
        let found = self
            .filesystem
            .lookup(self.request, self.here(), &step.name)
            .map_err(|error| error.context(name()))?
            .ok_or_else(|| Error::not_found(format!("{}: no such file or directory", name())))?;
        let last = self.todo.is_empty();
        if last && !follow {
            self.trail.push(found);
            return Ok(());
        }
        let attributes = self.filesystem.attributes(self.request, found)?;
        if attributes.kind == FileType::Symlink {
            return self.follow(found).map_err(|error| error.context(name()));
        }
        if !last && attributes.kind != FileType::Directory {
            let text = format!("{}: not a directory", name());
            return Err(Error::new(Kind::NotADirectory, text));
        }
        self.trail.push(found);
        Ok(())
    }

    fn check_directory(&self) -> Result<()> {
        let attributes = self.filesystem.attributes(self.request, self.here())?;
        if attributes.kind == FileType::Directory {
            return Ok(());
        }
        Err(Error::new(Kind::NotADirectory, "not a directory"))
    }

    fn follow(&mut self, link: Inode) -> Result<()> {
        self.links = self.links.saturating_add(1);
        if self.links > MOST_LINKS {
            return Err(Error::invalid("too many levels of symbolic links"));
        }
        let target = self.filesystem.read_link(self.request, link)?;
        if target.is_empty() {
            return Err(Error::not_found("an empty symbolic link"));
        }
        let base = (self.base_of)(link);
        let floor = self.trail.iter().position(|inode| *inode == base);
        let floor = floor.unwrap_or(0);
        if target.first() == Some(&b'/') {
            self.trail.truncate(floor.saturating_add(1));
        }
        self.push(&target, floor);
        Ok(())
    }
}
