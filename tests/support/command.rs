//! Running other programs: found also in the sbin directories, and failing with what they said.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where programs lie that a user's `PATH` may leave out.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The user and group of [`Run::by_nobody`]: `nobody` on every common distribution.
pub const NOBODY: u32 = 65534;

/// The path of the program `name`, or of the same program where a distribution calls it otherwise.
pub fn find(name: &str) -> Option<PathBuf> {
    let other = match name {
        "7z" => "7zz",
        _ => name,
    };
    let file = |name: &str| {
        let mut candidates = folders().map(|folder| folder.join(name));
        candidates.find(|candidate| candidate.is_file())
    };
    file(name).or_else(|| file(other))
}

/// Where programs are looked for.
fn folders() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<_> = std::env::split_paths(&path).collect();
    path.into_iter().chain(SBIN.iter().map(PathBuf::from))
}

/// The interpreter that the script `name` asks for: a Python module comes with the Python of the
/// distribution, which need not be the one that the user's `PATH` leads to.
pub fn interpreter(name: &str) -> Run {
    let script = std::fs::read(find(name).expect("the tool")).expect("a script");
    let line = script.split(|byte| *byte == b'\n').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    Run::new(line.trim_start_matches("#!").trim())
}

/// The imgmount that cargo built for this test.
pub fn imgmount() -> Run {
    Run::new(env!("CARGO_BIN_EXE_imgmount"))
}

/// One command.
pub struct Run(Command);

impl Run {
    /// The program `name`, to be found by [`find`].
    pub fn new(name: &str) -> Self {
        let program = find(name).unwrap_or_else(|| PathBuf::from(name));
        let mut command = Command::new(program);
        // Messages in English, times in UTC, and mke2fs without a terminal's progress.
        command.env("LC_ALL", "C").env("TZ", "UTC");
        // A shell among them finds what a test finds.
        command.env("PATH", std::env::join_paths(folders()).unwrap());
        // What is kept for later is kept where no user has anything.
        let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/cache");
        command.env("XDG_CACHE_HOME", cache);
        command.stdin(std::process::Stdio::null());
        Self(command)
    }

    /// One argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    /// Several arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.0.args(args);
        self
    }

    /// The arguments in `line`, split at spaces: no quoting.
    pub fn words(mut self, line: &str) -> Self {
        self.0.args(line.split_ascii_whitespace());
        self
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// The working directory.
    pub fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// As an ordinary user without any right, with `home` as HOME and working directory. Needs
    /// root.
    pub fn by_nobody(mut self, home: &Path) -> Self {
        self.0.uid(NOBODY).gid(NOBODY);
        self.0.env("HOME", home).env("USER", "nobody");
        self.0.env("XDG_RUNTIME_DIR", home);
        self.0.env("XDG_CACHE_HOME", home.join(".cache"));
        self.0.current_dir(home);
        self
    }

    /// The command itself, for what the others leave out.
    pub fn command(self) -> Command {
        self.0
    }

    /// Runs it, whatever comes of it.
    pub fn output(mut self) -> Output {
        self.0
            .output()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.0))
    }

    /// Runs it and gives its standard output; panics with its words unless it ends with 0.
    pub fn stdout(mut self) -> Vec<u8> {
        let output = self
            .0
            .output()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.0));
        assert!(
            output.status.success(),
            "{:?}: {}\n{}{}",
            self.0,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// [`Run::stdout`] as text.
    pub fn text(self) -> String {
        String::from_utf8_lossy(&self.stdout()).into_owned()
    }

    /// Runs it for its effect; panics with its words unless it ends with 0.
    pub fn run(self) {
        self.stdout();
    }
}
