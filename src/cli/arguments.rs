//! The one definition of the command line: `--help`, the completions and the option lists of
//! imgmount(1) all come from it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::format;
use crate::service::sandbox::Wanted;
use crate::service::{duration, open, size};
use crate::tree;

/// Show what is inside a disk image as files, without root
///
/// `imgmount disk.raw mnt` mounts every partition and file system of an image at mnt, read-only;
/// the other verbs do the same work without a mount.
#[derive(Debug, Parser)]
#[command(name = "imgmount", version, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(disable_help_subcommand = true)]
#[command(override_usage = "imgmount [OPTIONS] IMAGE [MOUNTPOINT]\n       imgmount VERB ...")]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// What to do; without a verb: mount.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The arguments of `mount`, which needs no name.
    #[command(flatten)]
    pub mount: Mount,
    /// Write the completions of this shell to standard output
    #[arg(long, hide = true, value_name = "SHELL", exclusive = true)]
    pub completions: Option<Shell>,
    /// Write the manual page imgmount(1) to standard output
    #[arg(long, hide = true, exclusive = true)]
    pub manual: bool,
}

const AFTER_HELP: &str = "\
An image that is called like a verb: imgmount -- info, or imgmount ./info
Sizes are bytes, or a number with s (512-byte sectors), k, M, G or T.
Exit status: 0 done, 1 image refused, 2 usage, 3 locked or denied, 4 partly damaged, 5 the host,
  6 a bug cost an answer.";

/// The shells that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // The names say it.
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Mount an image (the verb may be left out)
    Mount(Mount),
    /// Show the layers of an image: table, partitions, file systems
    Info(Info),
    /// List files in an image
    Ls(Ls),
    /// Write files of an image to standard output
    Cat(Cat),
    /// Copy files out of an image
    #[command(override_usage = "imgmount cp [OPTIONS] IMAGE PATH... DEST")]
    Cp(Cp),
    /// Write the disk, or one volume, as a sparse raw file
    #[command(override_usage = "imgmount convert [OPTIONS] IMAGE [VOLUME] OUT")]
    Convert(Convert),
    /// Write files of an image to standard output as a tar archive
    Tar(Tar),
    /// Read everything and report what is damaged
    Check(Check),
    /// Mount, run a command, unmount
    Run(Run),
    /// Unmount
    Umount(Umount),
    /// Try what the process that parses images must not be able to do
    #[command(hide = true)]
    SelfTest(SelfTest),
}

/// `imgmount [mount] IMAGE [MOUNTPOINT]`.
#[derive(Args, Clone, Debug)]
pub struct Mount {
    /// The disk image, or a block device
    // Not there only where a verb stands in its place.
    #[arg(value_hint = ValueHint::FilePath, required = true)]
    pub image: Option<PathBuf>,
    /// Where to mount; without it ./NAME is made, and removed again on unmount
    #[arg(value_hint = ValueHint::DirPath)]
    pub mountpoint: Option<PathBuf>,
    /// Stay in the foreground
    #[arg(short, long, help_heading = "Mounting")]
    pub foreground: bool,
    /// Unmount when nobody has used it for so long: 90, 5m, 1h
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "Mounting")]
    pub idle_timeout: Option<Duration>,
    /// Write a line to this descriptor when the tree can be used, and close it then or on failure
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..), help_heading = "Mounting")]
    pub ready_fd: Option<i32>,
    /// Keep the number of the process that unmounts in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Mounting")]
    pub pid_file: Option<PathBuf>,
    /// What the tree shows.
    #[command(flatten)]
    pub showing: Showing,
    /// How the image is opened.
    #[command(flatten)]
    pub opening: Opening,
}

/// What of the image is shown.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "What is shown")]
pub struct Showing {
    /// Only this volume: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x
    #[arg(short = 'p', long = "partition", value_name = "VOLUME")]
    pub partition: Option<String>,
    /// A directory for each volume, or the one file system directly [default: auto]
    #[arg(long)]
    pub layout: Option<Layout>,
    /// Leave out the raw .img files
    #[arg(long)]
    pub no_raw: bool,
}

/// The names of [`tree::Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // The names say it.
pub enum Layout {
    Auto,
    Volumes,
    Direct,
}

/// How an image is opened: the options of every verb that reads one.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Opening the image")]
pub struct Opening {
    /// Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what
    /// it holds for the next: gzip,raw
    #[arg(long, value_name = "NAME,...")]
    pub format: Option<String>,
    /// This internal snapshot instead of what is current, by name or number
    #[arg(long, value_name = "NAME|ID")]
    pub snapshot: Option<String>,
    /// Only this disk of an image that holds several
    #[arg(long, value_name = "NAME")]
    pub disk: Option<String>,
    /// This file may be opened where an image names it: its backing file in another directory
    #[arg(long = "allow-file", value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub allow_files: Vec<PathBuf>,
    /// Every regular file in this directory, and beneath it, may be opened where an image names it
    #[arg(long = "allow-dir", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub allow_directories: Vec<PathBuf>,
    /// Another image whose disks belong to this one's: of the same volume group, array or file
    /// system
    #[arg(long, value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub with: Vec<PathBuf>,
    /// Where in the file the disk or volume starts
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub offset: Option<u64>,
    /// How long it is; without it, to the end of the file
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub length: Option<u64>,
    /// Bytes in a sector of the disk; without it, as the partition table shows itself
    #[arg(long, value_name = "SIZE", value_parser = clap::value_parser!(u32))]
    pub sector_size: Option<u32>,
    /// Memory for cached blocks [default: 64M]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub cache_size: Option<u64>,
    /// Neither use nor keep the index of a compressed image
    #[arg(long)]
    pub no_index: bool,
    /// Read structures whose checksum is wrong
    #[arg(long)]
    pub ignore_checksums: bool,
    /// Show the disk as it lies, without what is in its journal
    #[arg(long)]
    pub no_replay: bool,
    /// This session of a disc with several, from 1; without it, the last
    #[arg(long, value_name = "NUMBER")]
    pub session: Option<u32>,
    /// The keys of what is encrypted.
    #[command(flatten)]
    pub unlocking: Unlocking,
    /// Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...
    #[arg(
        short = 'o',
        value_name = "OPTION,...",
        help_heading = "Opening the image"
    )]
    pub options: Vec<OsString>,
    /// Refuse to go on where this system does not have all of the sandbox
    #[arg(long, help_heading = "General")]
    pub require_sandbox: bool,
    /// Parse the image without the sandbox
    #[arg(long, conflicts_with = "require_sandbox", help_heading = "General")]
    pub no_sandbox: bool,
    /// Say more on standard error; twice: still more
    #[arg(short, long, action = ArgAction::Count, help_heading = "General")]
    pub verbose: u8,
    /// The command line that this comes from.
    #[arg(skip)]
    pub typed: open::Typed,
}

/// `imgmount info IMAGE`.
#[derive(Args, Debug)]
pub struct Info {
    /// The disk image, or a block device
    #[arg(value_hint = ValueHint::FilePath)]
    pub image: PathBuf,
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// How the image is opened.
    #[command(flatten)]
    pub opening: Opening,
}

/// `imgmount ls IMAGE [PATH...]`.
#[derive(Args, Debug)]
pub struct Ls {
    /// The disk image, or a block device
    #[arg(value_hint = ValueHint::FilePath)]
    pub image: PathBuf,
    /// What to list; without it, the root of the tree
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// One line each with mode, links, owner, group, size and time (UTC)
    #[arg(short)]
    pub long: bool,
    /// Names that start with a dot as well
    #[arg(short)]
    pub all: bool,
    /// Directories within directories as well
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// One JSON object a line, with everything that is known of each file
    #[arg(long)]
    pub json: bool,
    /// What the tree shows.
    #[command(flatten)]
    pub showing: Showing,
    /// How the image is opened.
    #[command(flatten)]
    pub opening: Opening,
}

/// `imgmount cat IMAGE PATH...`.
#[derive(Args, Debug)]
pub struct Cat {
    /// The disk image, or a block device
    #[arg(value_hint = ValueHint::FilePath)]
    pub image: PathBuf,
    /// The files, with the same paths as in the mount
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<OsString>,
    /// What the tree shows.
    #[command(flatten)]
    pub showing: Showing,
    /// How the image is opened.
    #[command(flatten)]
    pub opening: Opening,
}

/// `imgmount cp IMAGE PATH... DEST`.
#[derive(Args, Debug)]
pub struct Cp {
    /// The disk image, or a block device
    #[arg(value_hint = ValueHint::FilePath)]
    pub image: PathBuf,
    /// The files and directories in the image, then where they go, as in cp -r
    #[arg(value_name = "PATH... DEST", required = true, num_args = 2..)]
    pub paths: Vec<OsString>,
    /// Keep set-uid and set-gid bits, device nodes and file capabilities too
    #[arg(long, value_name = "WHAT")]
    pub preserve: Option<Preserve>,
    /// What the tree shows.
    #[command(flatten)]
    pub showing: Showing,
    /// How the image is opened.
    #[command(flatten)]
    pub opening: Opening,
}

/// What `cp --preserve` keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preserve {
    /// Everything, also what gives rights on this machine.
    All,
}

/// `imgmount convert IMAGE [VOLUME] OUT`.
#[derive(Args, Debug)]
pub struct Convert {
    /// The disk image, or a block device
    #[arg(value_hint = ValueHint::FilePath)]
    pub image: PathBuf,
    /// The volume (2, p2, LABEL=x, ...; the whole disk without one), then the file to write
    #[arg(value_name = "[VOLUME] OUT", required = true, num_args = 1..=2)]
    pub volume_and_out: Vec<OsString>,
    /// Overwrite OUT
    #[arg(long)]
    pub force: bool,
    /// How the image is opened.
    #[command(flatten)]
    pub opening: Opening,
}

/// `imgmount tar IMAGE [PATH]`.
#[derive(Args, Debug)]
pub struct Tar {
    /// The disk image, or a block device
    #[arg(value_hint = ValueHint::FilePath)]
    pub image: PathBuf,
    /// The directory whose contents, or the file, that is archived; without it, everything but the
    /// raw .img files
    pub path: Option<OsString>,
    /// Pack the archive with zstd, on all cores
    #[arg(long)]
    pub zstd: bool,
    /// What the tree shows.
    #[command(flatten)]
    pub showing: Showing,
    /// How the image is opened.
    #[command(flatten)]
    pub opening: Opening,
}

/// `imgmount check IMAGE`.
#[derive(Args, Debug)]
pub struct Check {
    /// The disk image, or a block device
    #[arg(value_hint = ValueHint::FilePath)]
    pub image: PathBuf,
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// How the image is opened.
    #[command(flatten)]
    pub opening: Opening,
}

/// `imgmount run IMAGE -- COMMAND...`.
#[derive(Args, Debug)]
pub struct Run {
    /// The disk image, or a block device
    #[arg(value_hint = ValueHint::FilePath)]
    pub image: PathBuf,
    /// The command; {} in it, and $IMGMOUNT, are the mount point
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    /// What the tree shows.
    #[command(flatten)]
    pub showing: Showing,
    /// How the image is opened.
    #[command(flatten)]
    pub opening: Opening,
}

/// `imgmount umount MOUNTPOINT`.
#[derive(Args, Debug)]
pub struct Umount {
    /// Where it is mounted
    #[arg(value_hint = ValueHint::DirPath)]
    pub mountpoint: PathBuf,
    /// Also where files on it are in use: it goes from sight now, for good when they are closed
    #[arg(short, long)]
    pub lazy: bool,
    /// Say more on standard error; twice: still more
    #[arg(short, long, action = ArgAction::Count, help_heading = "General")]
    pub verbose: u8,
}

/// `imgmount self-test`.
#[derive(Args, Debug)]
pub struct SelfTest {
    /// Without the sandbox, for comparison
    #[arg(long)]
    pub no_sandbox: bool,
}

impl Arguments {
    /// How often `-v` was given.
    #[must_use]
    pub fn verbosity(&self) -> u8 {
        match &self.verb {
            None | Some(Verb::SelfTest(_)) => 0,
            Some(Verb::Umount(umount)) => umount.verbose,
            Some(
                Verb::Mount(Mount { opening, .. })
                | Verb::Info(Info { opening, .. })
                | Verb::Ls(Ls { opening, .. })
                | Verb::Cat(Cat { opening, .. })
                | Verb::Cp(Cp { opening, .. })
                | Verb::Convert(Convert { opening, .. })
                | Verb::Tar(Tar { opening, .. })
                | Verb::Check(Check { opening, .. })
                | Verb::Run(Run { opening, .. }),
            ) => opening.verbose,
        }
    }

    fn opening(&mut self) -> Option<&mut Opening> {
        match &mut self.verb {
            None | Some(Verb::Umount(_) | Verb::SelfTest(_)) => None,
            Some(
                Verb::Mount(Mount { opening, .. })
                | Verb::Info(Info { opening, .. })
                | Verb::Ls(Ls { opening, .. })
                | Verb::Cat(Cat { opening, .. })
                | Verb::Cp(Cp { opening, .. })
                | Verb::Convert(Convert { opening, .. })
                | Verb::Tar(Tar { opening, .. })
                | Verb::Check(Check { opening, .. })
                | Verb::Run(Run { opening, .. }),
            ) => Some(opening),
        }
    }
}

impl Opening {
    /// As the service wants it, without what `-o` says.
    #[must_use]
    pub fn options(&self) -> open::Options {
        let usual = open::Options::default();
        open::Options {
            format: format::Options {
                ignore_checksums: self.ignore_checksums,
                no_replay: self.no_replay,
                format: self.format.clone(),
                inside: None,
                sector_size: self.sector_size,
                snapshot: self.snapshot.clone(),
                disk: self.disk.clone(),
                session: self.session,
                owner: open::owner(),
                kdf_limit: self.unlocking.kdf_limit.unwrap_or_default(),
                ..format::Options::default()
            },
            offset: self.offset.unwrap_or(usual.offset),
            length: self.length.or(usual.length),
            cache_size: self.cache_size.unwrap_or(usual.cache_size),
            allow_files: self.allow_files.clone(),
            allow_directories: self.allow_directories.clone(),
            with: self.with.clone(),
            keys: self.unlocking.options(),
            sandbox: match (self.no_sandbox, self.require_sandbox) {
                (true, _) => Wanted::Off,
                (false, true) => Wanted::Required,
                (false, false) => Wanted::Usual,
            },
            no_index: self.no_index,
            typed: self.typed.clone(),
        }
    }
}

impl Showing {
    /// As the tree wants it.
    #[must_use]
    pub fn options(&self) -> tree::Options {
        tree::Options {
            layout: match self.layout {
                None | Some(Layout::Auto) => tree::Layout::Auto,
                Some(Layout::Volumes) => tree::Layout::Volumes,
                Some(Layout::Direct) => tree::Layout::Direct,
            },
            volume: self.partition.clone(),
            raw: !self.no_raw,
            ..tree::Options::default()
        }
    }
}

mod keys;
mod parse;
#[cfg(test)]
mod tests;

pub use self::keys::Unlocking;
pub use self::parse::parse;
