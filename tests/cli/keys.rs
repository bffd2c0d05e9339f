//! How keys reach what is encrypted: files, descriptors, the terminal; and what is said without.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;
use crate::volume::luks::headers::{SMALL, edit, formatted};
use crate::volume::luks::made::key_file;

/// A LUKS2 of zeros that cryptsetup made, which the passphrase `open sesame` opens.
pub fn luks(scratch: &Scratch) -> PathBuf {
    let image = scratch.file("disk.luks", 20 << 20);
    std::fs::write(scratch.join("key"), "open sesame").unwrap();
    std::fs::write(scratch.join("wrong"), "open barley").unwrap();
    Run::new("cryptsetup")
        .words("-q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000")
        .words("--label vault --key-file")
        .arg(scratch.join("key"))
        .arg(&image)
        .run();
    image
}

fn said(output: &Output) -> (Option<i32>, String) {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), words)
}

fn listed(output: &Output) -> Vec<String> {
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    names.lines().map(str::to_owned).collect()
}

#[test]
fn without_a_key_it_is_locked_with_one_line_and_strict_makes_that_an_error() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = luks(&scratch);
    let ls = || imgmount().arg("ls").arg(&image);
    let output = ls().output();
    let (code, words) = said(&output);
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(words.lines().count(), 1, "{words}");
    assert!(words.contains("disk: crypto_LUKS: ") && words.contains("locked: no key was given"));
    assert!(words.contains("--key disk:FILE"), "{words}");
    assert!(listed(&output).contains(&"disk.img".to_owned()));
    let (code, words) = said(&ls().arg("--strict").output());
    assert_eq!(code, Some(3), "{words}");
    assert!(words.contains("locked: no key was given"), "{words}");
}

#[test]
fn k07_a_wrong_key_is_an_error_of_its_own() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = luks(&scratch);
    let output = imgmount().args(["ls", "--key"]).arg(scratch.join("wrong"));
    let (code, words) = said(&output.arg(&image).output());
    assert_eq!(code, Some(3), "{words}");
    assert!(
        words.contains("locked: the key does not open it"),
        "{words}"
    );
}

/// LUKS of both versions and both key derivations: the right key is not tried, which is no damage, and
/// never passes in silence.
#[test]
fn k01_k03_k04_a_cost_over_the_limit_leaves_it_locked_and_is_told() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let key = key_file(&scratch);
    let image = scratch.join("image");
    let ls = |options: &[&str]| said(&imgmount().arg("ls").args(options).arg(&image).output());
    let argon2 = serde_json::json!({"type": "argon2id", "time": 4, "memory": 64 << 20, "cpus": 4,
                                    "salt": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="});
    let mut first = formatted("--type luks1");
    first[212..216].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut second = formatted(SMALL);
    edit(&mut second, |json| json["keyslots"]["0"]["kdf"] = argon2);
    let mut dear = formatted(SMALL);
    edit(&mut dear, |json| {
        json["digests"]["0"]["iterations"] = u32::MAX.into()
    });
    let cases = [
        (
            first,
            "keyslot 0: KDF cost exceeds --kdf-limit: pbkdf2 with ",
        ),
        (
            second,
            "keyslot 0: KDF cost exceeds --kdf-limit: argon2id, 4 passes",
        ),
        (dear, "digest: KDF cost exceeds --kdf-limit: pbkdf2 with "),
    ];
    for (bytes, why) in cases {
        std::fs::write(&image, bytes).unwrap();
        let (code, words) = ls(&["--key", key.to_str().unwrap()]);
        assert_eq!(code, Some(3), "{words}");
        assert!(
            words.contains(why) && words.contains(" allows it"),
            "{words}"
        );
        let (code, words) = ls(&[]);
        assert_eq!((code, words.lines().count()), (Some(0), 1), "{words}");
        assert!(words.contains("disk: crypto_LUKS: "), "{words}");
        assert_eq!(ls(&["--strict"]).0, Some(3));
    }
}

#[test]
fn keys_come_from_files_parts_of_files_pipes_and_descriptors() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = luks(&scratch);
    let opens = |options: &str| {
        let program = env!("CARGO_BIN_EXE_imgmount");
        let script = format!("{program} ls {options} disk.luks");
        let run = Run::new("bash")
            .args(["-c", &script])
            .within(scratch.path());
        let names = run.text();
        assert!(
            names.lines().any(|name| name == "luks.img"),
            "{options}: {names}"
        );
    };
    std::fs::write(scratch.join("line"), "open sesame\n").unwrap();
    std::fs::write(scratch.join("long"), "xxxopen sesame!").unwrap();
    opens("--key key");
    opens("--key disk:key --key wrong");
    opens("--key line");
    opens("--keyfile-offset 3 --keyfile-size 11 --key long");
    opens("--key <(printf 'open sesame')");
    opens("--passphrase-fd 0 < line");
    opens("--passphrase-fd 5 5< line");
    opens("-o key=key,no_ask");
    let uuid = Run::new("cryptsetup").arg("luksUUID").arg(&image).text();
    opens(&format!("--key UUID={}:key", uuid.trim()));
}

#[test]
fn what_is_no_key_is_named() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = luks(&scratch);
    let refused = |options: &[&str]| {
        let run = imgmount().arg("ls").args(options).arg(&image);
        said(&run.within(scratch.path()).output())
    };
    let (code, words) = refused(&["--key", "nowhere"]);
    assert_eq!(code, Some(1), "{words}");
    assert!(
        words.contains("nowhere: the key cannot be opened"),
        "{words}"
    );
    std::fs::write(scratch.join("empty"), "").unwrap();
    assert!(
        refused(&["--key", "empty"])
            .1
            .contains("empty: the key is empty")
    );
    let (_, words) = refused(&["--keyfile-size", "99", "--key", "key"]);
    assert!(words.contains("the key has 11 bytes"), "{words}");
    let (code, words) = refused(&["--passphrase-fd", "77"]);
    assert!(
        code != Some(0) && words.contains("77 is no open descriptor"),
        "{words}"
    );
}

/// Runs a command at a terminal of its own and types a line each time it is asked something. Says
/// what the terminal showed, whether it shows what is typed in the end, and the exit code.
const AT_A_TERMINAL: &str = r"
import os, pty, signal, sys, termios
signal.alarm(60)
lines = sys.argv[1].split(',') if sys.argv[1] else []
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown, asked = b'', 0
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    shown += part
    while shown.count(b'locked): ') > asked:
        line = lines[asked] if asked < len(lines) else ''
        asked += 1
        os.write(terminal, b'\x03' if line == '^C' else line.encode() + b'\n')
echo = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
_, status = os.waitpid(child, 0)
sys.stdout.write(shown.decode(errors='replace'))
print('asked', asked, 'echo', echo, 'code', os.waitstatus_to_exitcode(status))
";

fn at_a_terminal(folder: &Path, lines: &str, command: &str) -> String {
    Run::new("python3")
        .args(["-c", AT_A_TERMINAL, lines, env!("CARGO_BIN_EXE_imgmount")])
        .words(command)
        .within(folder)
        .text()
}

#[test]
fn a_passphrase_is_asked_for_at_the_terminal_and_not_shown() {
    need!(tool "cryptsetup", tool "python3");
    let scratch = Scratch::new();
    luks(&scratch);
    let ask = |lines: &str, command: &str| {
        let shown = at_a_terminal(scratch.path(), lines, command);
        assert!(
            !shown.contains("sesame") && !shown.contains("barley"),
            "{shown}"
        );
        shown
    };
    let shown = ask("open sesame", "ls disk.luks");
    assert!(shown.contains("Passphrase for disk (LUKS2; "), "{shown}");
    assert!(shown.contains("luks.img"), "{shown}");
    assert!(shown.contains("asked 1 echo True code 0"), "{shown}");
    let shown = ask("open barley,open sesame", "ls disk.luks");
    assert!(shown.contains("That does not open it."), "{shown}");
    assert!(shown.contains("asked 2 echo True code 0"), "{shown}");
    let shown = ask("open barley,open barley,open barley", "ls disk.luks");
    assert!(shown.contains("asked 3 echo True code 3"), "{shown}");
    // Enter leaves it locked, which is no error.
    let shown = ask("", "ls disk.luks");
    assert!(
        shown.contains("disk.img") && !shown.contains("luks.img"),
        "{shown}"
    );
    assert!(shown.contains("asked 1 echo True code 0"), "{shown}");
    let shown = ask("^C", "ls disk.luks");
    assert!(shown.contains("asked 1 echo True code -2"), "{shown}");
    assert!(ask("open sesame", "ls --no-ask disk.luks").contains("asked 0 echo True code 0"));
}

#[test]
fn a_mount_asks_too_and_leaves_the_terminal_as_it_was() {
    need!(fuse, tool "cryptsetup", tool "python3");
    let scratch = Scratch::new();
    luks(&scratch);
    scratch.folder("m");
    let shown = at_a_terminal(scratch.path(), "open sesame", "disk.luks m");
    assert!(shown.contains("asked 1 echo True code 0"), "{shown}");
    assert!(scratch.join("m/luks.img").exists());
    imgmount().arg("umount").arg(scratch.join("m")).run();
    for command in ["run disk.luks -- ls {}", "-f disk.luks m", "disk.luks m"] {
        let shown = at_a_terminal(scratch.path(), "^C", command);
        assert!(
            shown.contains("asked 1 echo True code "),
            "{command}: {shown}"
        );
        assert!(!shown.contains("code 0"), "{command}: {shown}");
        assert!(!scratch.join("m/disk.img").exists(), "{command}");
    }
}
