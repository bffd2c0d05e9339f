//! The mount: its life, what hinders it, and what the kernel and its users see through it.

mod absent;
mod access;
mod attacked;
mod confined;
mod crowd;
mod device;
mod kept;
mod killed;
mod life;
mod limits;
mod load;
pub mod loops;
mod musl;
mod naming;
mod odd;
mod options;
mod refused;
mod sandbox;
mod second_files;
mod serving;
mod starved;
mod waiting;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use crate::support::command::{self, Run};
use crate::support::images::Scratch;

/// Who runs imgmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The user who runs the tests.
    Self_,
    /// An ordinary user; the tests are run by root then.
    Nobody,
}

/// Both where the tests are run by root.
pub fn everybody() -> Vec<Who> {
    match crate::support::skip::is_root() {
        true => vec![Who::Self_, Who::Nobody],
        false => vec![Who::Self_],
    }
}

/// A directory of one user's, with an image and the program in it; what is mounted there goes with
/// it.
pub struct Place {
    pub who: Who,
    pub folder: PathBuf,
    /// An ext4 file system.
    pub image: PathBuf,
    program: PathBuf,
    scratch: Scratch,
}

impl Place {
    /// With an image of an ext4 file system that has `/hello` ("hello, world\n") and `/large`
    /// (1 MiB of numbered lines).
    pub fn new(who: Who) -> Self {
        let files = Scratch::new();
        std::fs::write(files.join("hello"), "hello, world\n").unwrap();
        std::fs::write(files.join("large"), numbered(1 << 20)).unwrap();
        Self::with_files(who, files.path(), "8M")
    }

    /// With an image of `size` that holds what is in `files`.
    pub fn with_files(who: Who, files: &Path, size: &str) -> Self {
        let scratch = Scratch::new();
        let folder = match who {
            Who::Self_ => scratch.folder("home"),
            Who::Nobody => scratch.folder_of_nobody("home"),
        };
        let image = folder.join("disk.img");
        Run::new("mke2fs")
            .words("-q -t ext4 -b 4096 -E root_owner=0:0 -d")
            .arg(files)
            .arg(&image)
            .arg(size)
            .run();
        let program = match who {
            Who::Self_ => PathBuf::from(env!("CARGO_BIN_EXE_imgmount")),
            // The build may lie where nobody else can look.
            Who::Nobody => {
                let copy = scratch.join("imgmount");
                copy_program(Path::new(env!("CARGO_BIN_EXE_imgmount")), &copy);
                copy
            }
        };
        let place = Self {
            who,
            folder,
            image,
            program,
            scratch,
        };
        place.give_image();
        place
    }

    fn give_image(&self) {
        if self.who == Who::Nobody {
            let nobody = Some(command::NOBODY);
            std::os::unix::fs::chown(&self.image, nobody, nobody).unwrap();
        }
    }

    /// A new directory of the user's.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::create_dir(&path).unwrap();
        if self.who == Who::Nobody {
            let nobody = Some(command::NOBODY);
            std::os::unix::fs::chown(&path, nobody, nobody).unwrap();
        }
        path
    }

    /// `name`, run by the user, in their directory.
    pub fn run(&self, name: &str) -> Run {
        let run = Run::new(name).env("IMGMOUNT_TEST", self.scratch.path());
        match self.who {
            Who::Self_ => run.within(&self.folder),
            Who::Nobody => run.by_nobody(&self.folder),
        }
    }

    /// imgmount, run by the user.
    pub fn imgmount(&self) -> Run {
        self.run(self.program.to_str().unwrap())
    }

    /// Mounts the image at a new directory `m`.
    pub fn mount(&self) -> PathBuf {
        let point = self.directory("m");
        self.imgmount().arg("disk.img").arg("m").run();
        point
    }

    /// The processes of a role (`--worker`, `--supervisor`), or of any, that serve from here.
    pub fn processes(&self, role: &str) -> Vec<i32> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(number) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            let here = std::fs::read_link(entry.path().join("exe"));
            let ours = here.is_ok_and(|exe| exe.starts_with(&self.program));
            let roles = ["--worker", "--supervisor"];
            let any = role.is_empty() && roles.iter().any(|role| line.contains(role));
            let serves = any || (!role.is_empty() && line.contains(role));
            if ours && serves && self.owns(number) {
                found.push(number);
            }
        }
        found
    }

    /// Tests run side by side with one program: a supervisor's environment tells whose it is, and
    /// of a worker, which has none, the open image.
    fn owns(&self, process: i32) -> bool {
        let open = std::fs::read_dir(format!("/proc/{process}/fd"));
        let mut open = open.into_iter().flatten().flatten();
        let inside = |path: PathBuf| path.starts_with(self.scratch.path());
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        environment.contains(self.scratch.path().to_str().unwrap())
            || open.any(|entry| std::fs::read_link(entry.path()).is_ok_and(inside))
    }

    /// The lines of the mount table about this place.
    pub fn mounts(&self) -> Vec<String> {
        let table = std::fs::read("/proc/self/mounts").unwrap();
        let table = String::from_utf8_lossy(&table).into_owned();
        let here = self.scratch.path().to_str().unwrap();
        let lines = table.lines().filter(|line| line.contains(here));
        lines.map(str::to_owned).collect()
    }

    /// Waits until neither a mount nor a process is left: `limit` for the mount. No process has to
    /// end while another mount namespace (tests beside this one make some) has a copy of the mount,
    /// and the kernel takes its time with the copies of a namespace that has just ended.
    pub fn assert_clean_within(&self, limit: Duration) {
        wait_until(
            limit,
            || self.mounts().is_empty(),
            || format!("{:?}", self.mounts()),
        );
        wait_until(6 * limit, || !self.is_copied(), || "copied".to_owned());
        let left = || self.processes("");
        wait_until(limit, || left().is_empty(), || format!("{:?}", left()));
    }

    fn is_copied(&self) -> bool {
        let here = self.scratch.path().to_str().unwrap();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut tables = processes.map(|entry| entry.path().join("mountinfo"));
        tables.any(|table| {
            let table = std::fs::read(table).unwrap_or_default();
            String::from_utf8_lossy(&table).contains(here)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for line in self.mounts() {
            // A failed test leaves nothing mounted either.
            let point = line.split(' ').nth(1).unwrap_or_default();
            let point = point
                .replace("\\040", " ")
                .replace("\\134", "\\")
                .replace("\\012", "\n");
            let _ = Run::new("umount").arg("-l").arg(point).output();
        }
    }
}

/// Copies a program so that it can be run at once. By another process: a file that this one has
/// open for writing stays so in whatever another thread starts meanwhile, and cannot be run.
pub fn copy_program(from: &Path, to: &Path) {
    Run::new("cp").arg(from).arg(to).run();
}

/// When what ends by itself has ended, on a machine that is busy with all the other tests.
pub const SOON: Duration = Duration::from_secs(10);

/// Waits until `done`, at most `limit`; then panics with `what`.
pub fn wait_until(limit: Duration, done: impl Fn() -> bool, what: impl Fn() -> String) {
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "not within {limit:?}: {}", what());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `size` bytes of lines that say where they are.
pub fn numbered(size: usize) -> Vec<u8> {
    let lines = (0_usize..).flat_map(|line| format!("{:015}\n", line * 16).into_bytes());
    lines.take(size).collect()
}

/// The exit code and what was said, which is one line where anything is.
pub fn code_and_words(output: &Output) -> (i32, String) {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.lines().count() <= 1, "more than one line: {words}");
    (output.status.code().unwrap_or(-1), words)
}

/// The number behind `field` in what the kernel says of a process; of memory, in KiB.
pub fn status(process: i32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let words = line.unwrap().split_whitespace().next();
    words.unwrap().parse().unwrap()
}

/// Sends a signal.
pub fn signal(process: i32, name: &str) {
    // The shell's own kill: a bare system has no other.
    let line = format!("kill -{name} {process}");
    Run::new("sh").args(["-c", &line]).run();
}
