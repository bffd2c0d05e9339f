//! `imgmount ls`: the names, as ls(1) shows them.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use super::arguments::Ls;
use super::entries::{self, Files, Named};
use super::exit::{Failure, Outcome};
use super::json::{self, Object};
use super::messages::complain;
use super::names::{Names, Room};
use super::open;
use super::output::Output;
use super::remote::protocol::Ahead;
use super::time;
use crate::error::{Error, printable};
use crate::filesystem::{Attributes, FileType, Inode, Trail};

/// Runs the verb.
pub(crate) fn run(arguments: &Ls) -> Result<Outcome, Failure> {
    let ahead = match (arguments.json, arguments.long) {
        (true, _) => Ahead::XattrNames,
        (false, true) => Ahead::Links,
        (false, false) => Ahead::Nothing,
    };
    let opened = open::tree(
        &arguments.image,
        &arguments.opening,
        &arguments.showing,
        ahead,
    )?;
    let style = Style {
        long: arguments.long,
        all: arguments.all,
        recursive: arguments.recursive,
        json: arguments.json,
    };
    let paths = match arguments.paths.as_slice() {
        [] => vec![Vec::new()],
        paths => paths.iter().map(|path| path.as_bytes().to_vec()).collect(),
    };
    let mut listing = Listing::new(&opened.tree, &opened.name, style, Output::stdout());
    listing.all(&paths)?;
    Ok(listing.outcome)
}

/// What is listed, and how.
#[derive(Clone, Copy, Debug, Default)]
struct Style {
    long: bool,
    all: bool,
    recursive: bool,
    json: bool,
}

struct Listing<'a> {
    filesystem: &'a dyn Files,
    /// The image's name, for messages.
    image: &'a str,
    style: Style,
    output: Output,
    outcome: Outcome,
    /// Directories that were listed: a directory within itself is listed once.
    seen: HashSet<Inode>,
    /// For the names of the directories that are being listed.
    room: Room,
}

/// A directory that was listed, where those in it are to be listed too.
struct Frame {
    mark: usize,
    /// Those that are left, last first.
    within: Names,
}

impl<'a> Listing<'a> {
    fn new(filesystem: &'a dyn Files, image: &'a str, style: Style, output: Output) -> Self {
        Self {
            filesystem,
            image,
            style,
            output,
            outcome: Outcome::Done,
            seen: HashSet::new(),
            room: Room::default(),
        }
    }

    /// Lists `paths`: the files first, then the directories with a heading where there are several,
    /// as ls(1) does.
    fn all(&mut self, paths: &[Vec<u8>]) -> Result<(), Failure> {
        let headings = self.style.recursive || paths.len() > 1;
        let mut directories = Vec::new();
        for path in paths {
            let follow = !self.style.long;
            let found = open::find(self.filesystem, path, follow);
            let inode = found.map_err(|error| error.context(self.image))?;
            let attributes = self.attributes(inode);
            let attributes =
                attributes.map_err(|error| error.context(printable(path)).context(self.image))?;
            if attributes.kind == FileType::Directory {
                directories.push((path, inode));
            } else {
                self.entry(path, path, inode)?;
            }
        }
        let headings = headings && !self.style.json;
        for (path, inode) in directories {
            let mut trail = Trail::at(path);
            let mut frames = vec![self.directory(&mut trail, inode, headings)?];
            while let Some(frame) = frames.last_mut() {
                trail.back(frame.mark);
                let Some(Named { name, inode }) = frame.within.pop() else {
                    frames.pop();
                    continue;
                };
                trail.push(&name);
                frames.push(self.directory(&mut trail, inode, headings)?);
            }
        }
        self.output.finish()
    }

    fn heading(&mut self, path: &[u8]) -> Result<(), Failure> {
        let is_first = self.seen.len() == 1;
        self.output.text(if is_first { "" } else { "\n" })?;
        self.output
            .name(if path.is_empty() { b"/" } else { path })?;
        self.output.text(":\n")
    }

    /// Lists the directory at `trail`.
    fn directory(
        &mut self,
        trail: &mut Trail,
        inode: Inode,
        heading: bool,
    ) -> Result<Frame, Failure> {
        let mark = trail.mark();
        if !self.seen.insert(inode) {
            let error = Error::corrupt("this directory was listed already");
            self.trouble(trail.path(), &error);
            let within = Names::new(&self.room);
            return Ok(Frame { mark, within });
        }
        if heading {
            self.heading(trail.path())?;
        }
        let (mut within, error) = entries::sorted(self.filesystem, inode, &self.room);
        self.entries(trail, &mut within)?;
        if let Some(error) = error {
            self.trouble(trail.path(), &error);
        }
        within.reverse();
        Ok(Frame { mark, within })
    }

    /// Lists what is in the directory at `trail`; leaves of it what is still to be listed.
    fn entries(&mut self, trail: &mut Trail, entries: &mut Names) -> Result<(), Failure> {
        let (mark, mut result) = (trail.mark(), Ok(()));
        entries.retain(|name, inode| {
            if result.is_err() || name.starts_with(b".") && !self.style.all {
                return false;
            }
            trail.push(name);
            let listed = self.entry(trail.path(), name, inode);
            trail.back(mark);
            let kind = listed.unwrap_or_else(|failure| {
                result = Err(failure);
                None
            });
            self.style.recursive && kind == Some(FileType::Directory)
        });
        result
    }

    /// Lists one file; gives its type, where it has to be known and can be.
    fn entry(
        &mut self,
        path: &[u8],
        name: &[u8],
        inode: Inode,
    ) -> Result<Option<FileType>, Failure> {
        let Style {
            long,
            json,
            recursive,
            ..
        } = self.style;
        if !long && !json && !recursive {
            self.output.name(name)?;
            self.output.text("\n")?;
            return Ok(None);
        }
        let attributes = match self.attributes(inode) {
            Ok(attributes) => attributes,
            Err(error) => {
                self.trouble(path, &error);
                return self.unreadable(path, name, &error).map(|()| None);
            }
        };
        if json {
            self.json(path, inode, &attributes)?;
        } else if long {
            self.long(path, name, inode, &attributes)?;
        } else {
            self.output.name(name)?;
            self.output.text("\n")?;
        }
        Ok(Some(attributes.kind))
    }

    /// A file whose inode cannot be read still has its name.
    fn unreadable(&mut self, path: &[u8], name: &[u8], error: &Error) -> Result<(), Failure> {
        if self.style.json {
            let mut object = Object::new();
            json::add_bytes(&mut object, "path", path);
            object.insert("error".into(), json::error(error));
            return self.json_line(object);
        }
        if self.style.long {
            self.output
                .text("??????????   ?     ?     ?            ?                    ? ")?;
        }
        self.output.name(name)?;
        self.output.text("\n")
    }

    fn long(
        &mut self,
        path: &[u8],
        name: &[u8],
        inode: Inode,
        attributes: &Attributes,
    ) -> Result<(), Failure> {
        let size = match attributes.kind {
            FileType::BlockDevice | FileType::CharacterDevice => {
                format!("{}, {}", attributes.rdev.0, attributes.rdev.1)
            }
            _ => attributes.size.to_string(),
        };
        let Attributes {
            nlink,
            uid,
            gid,
            mtime,
            ..
        } = attributes;
        self.output.text(&format!(
            "{} {nlink:>3} {uid:>5} {gid:>5} {size:>12} {} ",
            permissions(attributes),
            time::short(*mtime)
        ))?;
        self.output.name(name)?;
        if attributes.kind == FileType::Symlink
            && let Some(target) = self.target(path, inode)
        {
            self.output.text(" -> ")?;
            self.output.name(&target)?;
        }
        self.output.text("\n")
    }

    fn json(&mut self, path: &[u8], inode: Inode, attributes: &Attributes) -> Result<(), Failure> {
        let mut object = Object::new();
        json::add_bytes(&mut object, "path", path);
        json::add_attributes(&mut object, attributes);
        if attributes.kind == FileType::Symlink
            && let Some(target) = self.target(path, inode)
        {
            json::add_bytes(&mut object, "target", &target);
        }
        let names = entries::xattr_names(self.filesystem, inode, entries::request().uid);
        let names = names.unwrap_or_else(|error| {
            self.trouble(path, &error);
            Vec::new()
        });
        let names = names.iter().map(|name| {
            let mut object = Object::new();
            json::add_bytes(&mut object, "name", name);
            Value::Object(object)
        });
        object.insert("xattrs".into(), names.collect());
        self.json_line(object)
    }

    fn json_line(&mut self, object: Object) -> Result<(), Failure> {
        self.output.text(&json::line(&Value::Object(object)))?;
        self.output.text("\n")
    }

    fn target(&mut self, path: &[u8], inode: Inode) -> Option<Vec<u8>> {
        let target = self.filesystem.read_link(&entries::request(), inode);
        target.map_err(|error| self.trouble(path, &error)).ok()
    }

    fn attributes(&self, inode: Inode) -> Result<Attributes, Error> {
        self.filesystem.attributes(&entries::request(), inode)
    }

    fn trouble(&mut self, path: &[u8], error: &Error) {
        complain(&error.clone().context(printable(path)).context(self.image));
        self.outcome = self.outcome.with(error);
    }
}

/// Type and permissions as in ls(1): `drwxr-xr-x`.
fn permissions(attributes: &Attributes) -> String {
    let kind = match attributes.kind {
        FileType::Regular => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::BlockDevice => 'b',
        FileType::CharacterDevice => 'c',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
    };
    let mode = attributes.mode;
    let bit = |mask: u16, letter: char| if mode & mask == 0 { '-' } else { letter };
    let special = |execute: u16, mask: u16, both: char, alone: char| match (
        mode & execute != 0,
        mode & mask != 0,
    ) {
        (true, true) => both,
        (false, true) => alone,
        (true, false) => 'x',
        (false, false) => '-',
    };
    [
        kind,
        bit(0o400, 'r'),
        bit(0o200, 'w'),
        special(0o100, 0o4000, 's', 'S'),
        bit(0o040, 'r'),
        bit(0o020, 'w'),
        special(0o010, 0o2000, 's', 'S'),
        bit(0o004, 'r'),
        bit(0o002, 'w'),
        special(0o001, 0o1000, 't', 'T'),
    ]
    .iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::output::Captured;
    use super::super::testing::{Memory, directory, file, node, symlink};
    use super::*;

    const LONG: Style = Style {
        long: true,
        all: false,
        recursive: false,
        json: false,
    };

    fn sample() -> Memory {
        let mut memory = Memory::default();
        let dir = memory.add(b"dir", directory());
        memory.add_to(dir, b"inner", file(b"12345"));
        memory.add(b".hidden", file(b""));
        memory.add(b"esc\x1b[31m", file(b"x"));
        memory.add(b"link", symlink(b"dir/inner"));
        let mut device = node(FileType::BlockDevice, b"");
        device.attributes.rdev = (8, 1);
        memory.add(b"sda1", device);
        for node in memory.nodes.values_mut() {
            (node.attributes.uid, node.attributes.gid) = (1000, 100);
        }
        memory
    }

    fn listed(
        memory: &Memory,
        style: Style,
        paths: &[&[u8]],
        terminal: bool,
    ) -> (Vec<u8>, Outcome) {
        let captured = Captured::default();
        let output = Output::to(Box::new(captured.clone()), terminal);
        let mut listing = Listing::new(memory, "disk.raw", style, output);
        let paths: Vec<_> = paths.iter().map(|path| path.to_vec()).collect();
        listing.all(&paths).expect("the output takes all");
        (captured.bytes(), listing.outcome)
    }

    #[test]
    fn names_are_escaped_on_a_terminal_and_raw_in_a_pipe() {
        let memory = sample();
        let (piped, _) = listed(&memory, Style::default(), &[b""], false);
        assert_eq!(piped, b"dir\nesc\x1b[31m\nlink\nsda1\n");
        let (shown, _) = listed(&memory, Style::default(), &[b""], true);
        assert_eq!(shown, b"dir\nesc\\x1b[31m\nlink\nsda1\n");
        let all = Style {
            all: true,
            ..Style::default()
        };
        assert!(
            listed(&memory, all, &[b""], false)
                .0
                .starts_with(b".hidden\n")
        );
    }

    #[test]
    fn the_long_form_is_that_of_ls() {
        let (text, _) = listed(&sample(), LONG, &[b""], true);
        let text = String::from_utf8(text).expect("escaped");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "drwxr-xr-x   1  1000   100            0 2001-09-09 01:46:40Z dir"
        );
        assert_eq!(
            lines[2],
            "lrw-r-----   1  1000   100            9 2001-09-09 01:46:40Z link -> dir/inner"
        );
        assert_eq!(
            lines[3],
            "brw-r-----   1  1000   100         8, 1 2001-09-09 01:46:40Z sda1"
        );
    }

    #[test]
    fn recursion_gives_each_directory_a_heading_and_ends_in_a_loop() {
        let mut memory = sample();
        let dir = open::find(&memory, b"dir", false).expect("it is there");
        memory.add_entry(dir, b"up", Inode(2));
        let style = Style {
            recursive: true,
            ..Style::default()
        };
        let (text, outcome) = listed(&memory, style, &[b""], false);
        assert_eq!(
            text,
            b"/:\ndir\nesc\x1b[31m\nlink\nsda1\n\ndir:\ninner\nup\n".as_slice()
        );
        assert_eq!(outcome, Outcome::PartlyDamaged);
    }

    #[test]
    fn a_damaged_inode_keeps_its_name_and_its_siblings() {
        let mut memory = sample();
        memory.add_entry(Inode(2), b"aaa", Inode(999));
        let (text, outcome) = listed(&memory, LONG, &[b""], false);
        let text = String::from_utf8(text).expect("plain");
        assert_eq!(outcome, Outcome::PartlyDamaged);
        assert!(
            text.starts_with("??????????") && text.contains(" aaa\ndrwx"),
            "{text}"
        );
    }

    #[test]
    fn json_has_what_a_mount_cannot_show() {
        let mut memory = Memory::default();
        let inode = memory.add(b"f\xff", file(b"12345"));
        memory.node(inode).attributes.flags = 0x10;
        memory
            .node(inode)
            .xattrs
            .insert(b"user.a".to_vec(), b"1".to_vec());
        let style = Style {
            json: true,
            ..Style::default()
        };
        let (text, _) = listed(&memory, style, &[b""], true);
        let value: Value = serde_json::from_slice(&text).expect("one object");
        assert_eq!(value["path_hex"], "66ff");
        assert_eq!(value["type"], "file");
        assert_eq!(value["mode"], "0640");
        assert_eq!(value["size"], 5);
        assert_eq!(value["crtime"], "2001-09-09T01:46:40.123456789Z");
        assert_eq!(value["flags"], 0x10);
        assert_eq!(value["generation"], 7);
        assert_eq!(value["xattrs"], serde_json::json!([{"name": "user.a"}]));
    }

    #[test]
    fn special_bits_are_spelt_as_ls_spells_them() {
        let mut attributes = directory().attributes;
        for (mode, text) in [
            (0o1777, "drwxrwxrwt"),
            (0o6644, "drwSr-Sr--"),
            (0o6755, "drwsr-sr-x"),
        ] {
            attributes.mode = mode;
            assert_eq!(permissions(&attributes), text);
        }
    }
}
