//! An ordinary user, who mounts what people meet every day.

use std::path::{Path, PathBuf};

use super::command::{self, Run};
use super::images::Scratch;

/// A directory of an ordinary user with the program in it.
pub struct User {
    pub home: PathBuf,
    pub program: PathBuf,
    pub scratch: Scratch,
}

impl User {
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let home = scratch.folder_of_nobody("home");
        let program = scratch.join("imgmount"); // a user may not reach where cargo puts it
        std::fs::copy(env!("CARGO_BIN_EXE_imgmount"), &program).unwrap();
        Self {
            home,
            program,
            scratch,
        }
    }

    pub fn run(&self, program: &str) -> Run {
        Run::new(program).by_nobody(&self.home)
    }

    /// Makes `file` the user's own.
    pub fn give(&self, file: &Path) {
        std::os::unix::fs::chown(file, Some(command::NOBODY), Some(command::NOBODY)).unwrap();
    }

    /// What `facts`, a shell script whose argument is the mount point, says of `image`, mounted by
    /// this user.
    pub fn facts_of(&self, image: &Path, facts: &str) -> String {
        self.give(image);
        self.facts_with(image, &[], facts)
    }

    /// The same with further options, of an image that the user has already.
    pub fn facts_with(&self, image: &Path, options: &[&str], facts: &str) -> String {
        let mount = self.home.join("mnt");
        let imgmount = self.run(self.program.to_str().unwrap());
        self.run("mkdir").arg("-p").arg(&mount).run();
        imgmount.args(options).arg(image).arg(&mount).run();
        let found = self.run("sh").args(["-ec", facts]).arg("sh").arg(&mount);
        let found = found.text();
        self.run("fusermount3").arg("-u").arg(&mount).run();
        found
    }
}
