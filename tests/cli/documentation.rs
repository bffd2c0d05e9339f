//! README and manual pages say what is true: every command in them is run, with the demo disk as
//! `disk.raw`, and where they show output, that is the output.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use imgmount::signature;
use imgmount::stack::Registries;

use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;

fn text_of(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder with `disk.raw` and an empty `mnt`.
fn playground() -> Scratch {
    let scratch = Scratch::new();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/demo/demo.img.gz");
    let disk = std::fs::File::create(scratch.join("disk.raw")).unwrap();
    let mut gzip = Run::new("gzip").arg("-dc").arg(packed).command();
    assert!(gzip.stdout(disk).status().unwrap().success());
    std::fs::create_dir(scratch.join("mnt")).unwrap();
    scratch
}

/// What a shell in `folder` says to `command`, and whether it succeeded.
fn shell(folder: &Path, command: &str) -> (String, bool) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_imgmount"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut run = Run::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .env("PATH", path)
        .within(folder)
        .command();
    let out = run.stdin(Stdio::null()).output().unwrap();
    (String::from_utf8(out.stdout).unwrap(), out.status.success())
}

/// The commands of the `console` blocks of a Markdown text, each with the lines shown below it.
fn sessions(text: &str) -> Vec<Vec<(String, Vec<String>)>> {
    let blocks = text.split("```console\n").skip(1);
    blocks
        .map(|block| {
            let block = block.split("```").next().unwrap();
            let mut commands: Vec<(String, Vec<String>)> = Vec::new();
            for line in block.lines() {
                match line.strip_prefix("$ ") {
                    Some(command) => commands.push((command.to_owned(), Vec::new())),
                    None => commands
                        .last_mut()
                        .expect("a command first")
                        .1
                        .push(line.to_owned()),
                }
            }
            commands
        })
        .collect()
}

/// Commands of ours between backquotes.
fn inline_commands(text: &str) -> Vec<String> {
    let pieces = text.split('`').skip(1).step_by(2);
    let ours = pieces.filter(|piece| piece.starts_with("imgmount ") && !piece.contains('\n'));
    ours.map(str::to_owned).collect()
}

#[test]
fn the_sessions_in_the_readme_are_real() {
    need!(fuse);
    let readme = text_of("README.md");
    let sessions = sessions(&readme);
    assert!(sessions.len() >= 2);
    for session in sessions {
        let folder = playground();
        for (command, expected) in session {
            let (said, succeeded) = shell(folder.path(), &command);
            assert!(succeeded, "{command}: {said}");
            let said: Vec<&str> = said.lines().collect();
            assert_eq!(said, expected, "{command}");
        }
    }
}

#[test]
fn every_command_in_the_text_of_the_readme_works() {
    need!(fuse);
    let commands = inline_commands(&text_of("README.md").replace("```", ""));
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let folder = playground();
        let (said, succeeded) = shell(folder.path(), &command);
        let mounted = folder.join("mnt").read_dir().unwrap().next().is_some();
        if mounted {
            imgmount().arg("umount").arg(folder.join("mnt")).run();
        }
        assert!(succeeded, "{command}: {said}");
    }
}

#[test]
fn every_example_in_the_manual_works() {
    need!(fuse);
    let page = text_of("man/imgmount.1");
    let examples = page.split(".SH EXAMPLES").nth(1).expect("examples");
    let examples = examples.split(".fi").next().unwrap().replace("\\-", "-");
    let folder = playground();
    let commands: Vec<&str> = examples
        .lines()
        .filter(|line| line.starts_with("imgmount "))
        .collect();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        let (said, succeeded) = shell(folder.path(), command);
        assert!(succeeded, "{command}: {said}");
    }
    assert!(
        folder.join("mnt").read_dir().unwrap().next().is_none(),
        "still mounted"
    );
}

#[test]
fn every_format_has_its_place_in_the_manual() {
    let page = text_of("man/imgmount-formats.7");
    for name in Registries::BUILT_IN.names() {
        assert!(
            page.contains(&format!("\n.SS {name}\n")),
            "no section for {name}"
        );
    }
    let recognised = page.split(".SH RECOGNISED").nth(1).expect("the section");
    let recognised = recognised.replace('\n', " ");
    let known: Vec<&str> = Registries::BUILT_IN.names().collect();
    for signature in signature::all().filter(|it| !known.contains(&it.name)) {
        let name = signature.name;
        let listed = recognised
            .split([',', '.'])
            .any(|entry| entry.trim().ends_with(name));
        assert!(listed, "{name} is not among the recognised");
    }
}

#[test]
fn manual_pages_have_no_mistake_that_mandoc_knows() {
    need!(tool "mandoc");
    for page in ["man/imgmount.1", "man/imgmount-formats.7"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let out = Run::new("mandoc").args(["-T", "lint"]).arg(path).output();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(said.is_empty() && out.status.success(), "{said}");
    }
}

#[test]
fn exit_codes_in_help_and_manual_are_the_same() {
    let help = imgmount().arg("--help").text();
    let page = text_of("man/imgmount.1");
    let status = page.split(".SH EXIT STATUS").nth(1).expect("the section");
    let status = status.split(".SH ").next().unwrap();
    for code in 0..=5 {
        assert!(status.contains(&format!("\\fB{code}\\fR")), "{code}");
        let line = help
            .lines()
            .find(|line| line.starts_with("Exit status:"))
            .expect("the line");
        assert!(line.contains(&format!("{code} ")), "{code}: {line}");
    }
}
