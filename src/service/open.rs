//! Opens the image that the user named, and what it may name beside it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::neighbours::{Beside, Policy, Words};
use super::sandbox::Wanted;
use super::stored::{self, Kept, Store};
use super::watched::{Tell, Watched};
use super::{image_file, keys, memory, neighbours, wire};
use crate::cache::Cache;
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{
    self, Context, Header, Keyring, Keys, Layers, Neighbour, Neighbours, Nobody, Notices, Origin,
    Progress, Stored,
};
use crate::source::SharedSource;
use crate::source::cached::Cached;
use crate::source::file::File;
use crate::source::window::Window;
use crate::stack::{Registries, Stack};

/// How the user wants an image to be opened: the options that all verbs share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// The choices that reach the formats.
    pub format: format::Options,
    /// Where the volume starts in the file, in bytes.
    pub offset: u64,
    /// How many bytes it has; to the end of the file without it.
    pub length: Option<u64>,
    /// The cache's budget in bytes.
    pub cache_size: u64,
    /// Files that an image may refer to although they are not beside it.
    #[serde(with = "wire::paths")]
    pub allow_files: Vec<PathBuf>,
    /// Directories in and beneath which an image may refer to any regular file.
    #[serde(with = "wire::paths")]
    pub allow_directories: Vec<PathBuf>,
    /// The other images whose disks join the image's own.
    #[serde(with = "wire::paths")]
    pub with: Vec<PathBuf>,
    /// The keys of what is encrypted in it.
    pub keys: keys::Options,
    /// How the process that parses is kept from anything else.
    pub sandbox: Wanted,
    /// Neither use nor keep an index in the user's cache directory.
    pub no_index: bool,
    /// The command that the user typed, for a refusal to say it with what is missing.
    pub typed: Typed,
}

/// A command line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Typed {
    /// Its words, the program's name first; none where nothing was typed.
    pub words: Vec<OsString>,
    /// How many of them stand in front of the options.
    pub before_options: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: format::Options::default(),
            offset: 0,
            length: None,
            cache_size: 64 << 20,
            allow_files: Vec::new(),
            allow_directories: Vec::new(),
            with: Vec::new(),
            keys: keys::Options::default(),
            sandbox: Wanted::default(),
            no_index: false,
            typed: Typed::default(),
        }
    }
}

impl Options {
    /// The same, with no more cache than this process's limits have room for.
    pub(super) fn within_limits(&self) -> Self {
        Self {
            cache_size: memory::cache_size(self.cache_size),
            ..self.clone()
        }
    }

    /// What second files of the image at `path` may be opened.
    pub(super) fn policy(&self, path: &Path) -> Result<Policy> {
        let typed = match self.typed.words.is_empty() {
            false => (self.typed.words.clone(), self.typed.before_options),
            true => (vec!["imgmount".into(), path.as_os_str().to_owned()], 1),
        };
        let words = Words {
            files: &self.allow_files,
            directories: &self.allow_directories,
        };
        Policy::new(words, typed)
    }
}

/// An opened image: what is in it, and what was odd.
pub struct Image {
    /// What is in it.
    pub stack: Arc<Stack>,
    /// What was odd but no error; it may grow while the image is read.
    pub notices: Arc<Notices>,
}

/// What is known of an image, also of one that was refused in the end.
#[derive(Clone, Default)]
pub struct Seen {
    /// The image itself and those that it wraps or stands on, as far as they were opened.
    pub layers: Arc<Layers>,
    /// What was odd.
    pub notices: Arc<Notices>,
    /// Who shows how far work is that lasts; nobody without it.
    pub progress: Option<Arc<dyn Progress>>,
}

/// What files have where their file system keeps no owners: this process's user and umask.
#[must_use]
pub fn owner() -> format::Owner {
    const USUAL: u16 = 0o022;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let umask = line.and_then(|octal| u16::from_str_radix(octal.trim(), 8).ok());
    let umask = umask.unwrap_or(USUAL);
    format::Owner {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        fmask: umask,
        dmask: umask,
    }
}

/// Opens the image at `path`, in this process.
///
/// # Errors
/// As [`open_seen`].
pub fn open(path: &Path, options: &Options) -> Result<Image> {
    open_seen(path, options, &Seen::default())
}

/// Opens the image at `path`, in this process, and notes in `seen` what there is to be said of it.
///
/// # Errors
/// `Denied`, `NotFound`, `Unsupported` (a directory, a FIFO) or what the image layer refuses; every
/// one names the file.
pub fn open_seen(path: &Path, options: &Options, seen: &Seen) -> Result<Image> {
    let name = || super::shown(path);
    let found = image_file::open(path).context(name)?;
    let notices = seen.notices.clone();
    let tell = {
        let notices = notices.clone();
        Box::new(move |text| notices.add(text))
    };
    let options = options.within_limits();
    let policy = options.policy(path)?;
    memory::allow_many_descriptors();
    let stored: Arc<dyn Stored> = match options.no_index {
        true => Arc::new(Nobody),
        false => Arc::new(Kept::new(Store::new(&found.file, stored::usual()))),
    };
    let mut others = Vec::new();
    for path in &options.with {
        let policy = options.policy(path)?;
        let other = other(path, policy, &notices).context(|| super::shown(path))?;
        others.push(other);
    }
    let mut headers = Vec::new();
    for keys::ForVolume { subject, path } in &options.keys.headers {
        let policy = options.policy(path)?;
        let header = other(path, policy, &notices).context(|| super::shown(path))?;
        headers.push((subject.clone(), header));
    }
    let around = Around {
        name: file_name(path),
        neighbours: Arc::new(Beside::new(path, policy, notices.clone())),
        others,
        keys: Arc::new(keys::Own::new(&options.keys)?),
        headers,
        stored,
        seen: seen.clone(),
        tell,
    };
    let image = stack_of(Registries::BUILT_IN, found.file, &options, around).context(name)?;
    for notice in found.notices {
        image.notices.add(notice);
    }
    Ok(image)
}

/// The image at `path`, which the user added to the one that was named first.
fn other(path: &Path, policy: Policy, notices: &Arc<Notices>) -> Result<Neighbour> {
    let found = image_file::open(path)?;
    let name = file_name(path);
    let shown = printable(&name);
    for notice in found.notices {
        notices.add(format!("{shown}: {notice}"));
    }
    let tell = {
        let (notices, shown) = (notices.clone(), shown.clone());
        Box::new(move |text: &str| notices.add(format!("{shown}: {text}")))
    };
    let (source, identity) = neighbours::source(found.file, &shown, tell)?;
    Ok(Neighbour {
        source,
        name,
        identity,
        neighbours: Arc::new(Beside::new(path, policy, notices.clone())),
    })
}

/// The last part of `path`.
pub(super) fn file_name(path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default();
    name.as_bytes().to_vec()
}

/// What an open image has around it.
pub(super) struct Around {
    /// Its file name.
    pub(super) name: Vec<u8>,
    /// The files beside it.
    pub(super) neighbours: Arc<dyn Neighbours>,
    /// The images that the user added to it.
    pub(super) others: Vec<Neighbour>,
    /// The user's keys.
    pub(super) keys: Arc<dyn Keys>,
    /// The detached headers, and the volumes that they are for.
    pub(super) headers: Vec<(Option<String>, Neighbour)>,
    /// What is kept for it.
    pub(super) stored: Arc<dyn Stored>,
    /// Where what is found and what is odd goes.
    pub(super) seen: Seen,
    /// Called when the file changes.
    pub(super) tell: Tell,
}

/// Everything in the open file `handle`, by the formats of `registries`.
///
/// # Errors
/// What the image layer refuses; `Locked` where something stays locked that must not, or although
/// the user gave a key that opens nothing.
pub(super) fn stack_of(
    registries: Registries,
    handle: std::fs::File,
    options: &Options,
    around: Around,
) -> Result<Image> {
    let cache = Cache::new(options.cache_size);
    let identity = neighbours::identity(&handle);
    let file: SharedSource = Arc::new(Watched::new(File::new(handle)?, around.tell));
    if options.offset > 0 && options.offset >= file.size() {
        let size = file.size();
        let text = format!(
            "offset {} is past the end: it has {size} bytes",
            options.offset
        );
        return Err(Error::invalid(text));
    }
    let length = options
        .length
        .unwrap_or_else(|| file.size().saturating_sub(options.offset));
    let window = Arc::new(Window::new(file, options.offset, length)?);
    let source: SharedSource = Arc::new(Cached::over_file(window, cache.clone()));
    let keyring = Keyring::new(around.keys);
    keyring.read()?;
    let context = Context {
        keys: keyring.clone(),
        progress: around.seen.progress.unwrap_or_else(|| Arc::new(Nobody)),
        options: options.format.clone(),
        neighbours: around.neighbours,
        origin: Origin::new(around.name, identity),
        stored: match (options.offset, options.length) {
            (0, None) => around.stored,
            window => around.stored.layer(format!("{window:?}").as_bytes()),
        },
        layers: around.seen.layers,
        notices: around.seen.notices.clone(),
        ..Context::new(cache)
    };
    let others = around.others.into_iter();
    let others = others.map(|other| context.other(other)).collect();
    let headers = around.headers.into_iter();
    let headers = headers.map(|(subject, header)| Header {
        subject,
        source: context.other(header).0,
    });
    let context = Context {
        headers: Arc::new(headers.collect()),
        ..context.clone()
    };
    let stack = Stack::open_with(registries, source, others, &context)?;
    match stack.locked() {
        Some(error) if options.keys.strict || keyring.has_useless() => Err(error),
        _ => Ok(Image {
            stack: Arc::new(stack),
            notices: around.seen.notices,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_past_the_end_says_how_long_the_image_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [1; 512]).unwrap();
        let message = |offset| {
            let options = Options {
                offset,
                ..Options::default()
            };
            let opened = open(file.path(), &options);
            opened.err().map(|error| error.to_string())
        };
        assert_eq!(message(511), None);
        for offset in [512, u64::MAX] {
            let text = format!("offset {offset} is past the end: it has 512 bytes");
            assert!(message(offset).unwrap().ends_with(&text));
        }
    }
}
