//! A volume to look at, and what others say is on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgmount::error::printable;
use imgmount::filesystem::FileSystem;
use imgmount::format;
use imgmount::service::open::{Image, Options};
use imgmount::stack::Content;

use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// A volume in a scratch directory of its own.
pub struct Volume {
    pub scratch: Scratch,
    pub image: PathBuf,
}

impl Volume {
    /// One of `kib` KiB, by mkfs.fat with the options in `line`.
    pub fn made(line: &str, kib: u64) -> Self {
        let scratch = Scratch::new();
        let image = scratch.join("volume.img");
        let mkfs = Run::new("mkfs.fat").arg("-C").words(line);
        mkfs.arg(&image).arg(kib.to_string()).run();
        Self { scratch, image }
    }

    /// Runs the mtools program `name` on the volume with `arguments`.
    pub fn mtools<A: AsRef<std::ffi::OsStr>>(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Vec<u8> {
        let run = Run::new(name).env("MTOOLS_SKIP_CHECK", "1");
        let run = run.env("LC_ALL", "C.UTF-8").arg("-i").arg(&self.image);
        run.args(arguments).stdout()
    }

    /// Copies all that is in `folder` onto it, with its times.
    pub fn fill(&self, folder: &Path) {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().into_os_string())
            .collect();
        names.sort();
        let options = ["-s", "-p", "-m", "-Q"].map(Into::into);
        let names = options.into_iter().chain(names).chain(["::/".into()]);
        self.mtools("mcopy", names);
    }

    /// Changes its bytes.
    pub fn edit(&self, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.bytes();
        edit(&mut bytes);
        std::fs::write(&self.image, bytes).unwrap();
    }

    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.image).unwrap()
    }

    /// Opens it.
    pub fn open(&self) -> Opened {
        self.open_with(format::Options::default())
    }

    pub fn open_with(&self, format: format::Options) -> Opened {
        let options = Options {
            format,
            ..Options::default()
        };
        let image = library::open_with(&self.image, &options);
        let filesystem = library::file_system(&image);
        Opened { image, filesystem }
    }

    /// What 7-Zip says of every file, by path: the lines of `7z l -slt`.
    pub fn by_7zip(&self) -> (BTreeMap<String, String>, BTreeMap<String, Row>) {
        let list = Run::new("7z").words("l -slt -tFAT").arg(&self.image);
        let text = list.env("LC_ALL", "C.UTF-8").text();
        let (head, list) = text.split_once("----------\n").expect("a list");
        let properties = |text: &str| -> Row {
            let lines = text.lines().filter_map(|line| line.split_once(" ="));
            lines
                .map(|(key, value)| (key.to_owned(), value.trim_start().to_owned()))
                .collect()
        };
        let rows = list.split("\n\n").map(properties);
        let rows = rows.filter(|row| row.contains_key("Path"));
        let rows = rows.map(|row| (row["Path"].clone(), row));
        (properties(head), rows.collect())
    }
}

/// Property to value.
pub type Row = BTreeMap<String, String>;

/// An open volume.
pub struct Opened {
    pub image: Image,
    pub filesystem: Arc<dyn FileSystem>,
}

impl Opened {
    /// What `info` says of it.
    pub fn description(&self) -> &format::Description {
        match &self.image.stack.disks[0].content {
            Content::FileSystem { description, .. } => description,
            _ => panic!("no file system"),
        }
    }

    /// The fact called `name`.
    pub fn fact(&self, name: &str) -> &str {
        let facts = self.description().facts.iter();
        let mut facts = facts.filter(|fact| fact.0 == name);
        &facts.next().unwrap_or_else(|| panic!("no {name}")).1
    }

    /// The names in the directory at `path`, printable, `.` and `..` left out.
    pub fn names(&self, path: &str) -> Vec<String> {
        let folder = match path {
            "" => self.filesystem.root(),
            path => library::find(&*self.filesystem, path.as_bytes()),
        };
        let mut names = Vec::new();
        let each = &mut |entry: imgmount::filesystem::Entry<'_>| {
            names.push(printable(entry.name));
            true
        };
        let request = library::request();
        self.filesystem.read_dir(&request, folder, 0, each).unwrap();
        names.retain(|name| name != "." && name != "..");
        names
    }

    /// What is at `path`, by lookups.
    pub fn attributes(&self, path: &str) -> imgmount::filesystem::Attributes {
        let inode = library::find(&*self.filesystem, path.as_bytes());
        let request = library::request();
        self.filesystem.attributes(&request, inode).unwrap()
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        library::read_path(&*self.filesystem, path)
    }
}
