//! A question at the terminal: who has the terminal meanwhile, and how it is left.

use super::keys::luks;
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Runs a command at a terminal of its own until it asks for a passphrase; then says what the
/// process that reads the image has open of terminals, and types a line (`type=LINE`) or sends a
/// signal to the process of a role (`SIGTERM=front`). Says whether what is typed was hidden
/// meanwhile, whether it is shown again after a generous time, and the exit code.
const WHILE_ASKED: &str = r"
import os, pty, select, signal, sys, termios, time
signal.alarm(90)
what, to = sys.argv[1].split('=')
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b''
def hear(seconds):
    global shown
    if not select.select([terminal], [], [], seconds)[0]:
        return True
    try:
        part = os.read(terminal, 4096)
    except OSError:
        return False
    shown += part
    return bool(part)
def echo():
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
def read(process, name):
    try:
        with open(f'/proc/{process}/{name}', 'rb') as file:
            return file.read()
    except OSError:
        return b''
def family():
    found, before = {child: 'front'}, 0
    while len(found) > before:
        before = len(found)
        for process in map(int, filter(str.isdigit, os.listdir('/proc'))):
            parent = read(process, 'stat').rpartition(b') ')[2].split(b' ')[1:2]
            if parent and int(parent[0]) in found and process not in found:
                words = read(process, 'cmdline').split(b'\0') + [b'']
                found[process] = words[1].strip(b'-').decode()
    return {role: process for process, role in found.items()}
while b'assphrase' not in shown and hear(60):
    pass
for attempt in range(100):
    # One that has just been forked still looks like who started it.
    roles = family()
    if 'worker' in roles or 'reader' in roles:
        break
    time.sleep(0.05)
print('hidden', not echo(), 'roles', *sorted(roles))
def terminals(process):
    found = []
    for number in os.listdir(f'/proc/{process}/fd'):
        try:
            found.append(os.readlink(f'/proc/{process}/fd/{number}'))
        except FileNotFoundError:
            pass
    return len(found) > 0, [it for it in found if '/pts' in it or 'tty' in it]
for role in ('worker', 'reader'):
    if role in roles:
        # What the shell left open is its own until the first line of its program is reached.
        for attempt in range(100):
            some, of_terminals = terminals(roles[role])
            if some and not of_terminals:
                break
            time.sleep(0.05)
        print('open', some, 'terminals', of_terminals)
if what == 'type':
    os.write(terminal, to.encode() + b'\n')
else:
    os.kill(roles[to], getattr(signal, what))
end, code = time.time() + 30, None
while time.time() < end and (code is None or not echo()):
    if not hear(0.1):
        time.sleep(0.1)
    if code is None:
        ended, status = os.waitpid(child, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if ended else None
print('shown', echo(), 'code', code)
print(shown.decode(errors='replace'))
";

fn while_asked(scratch: &Scratch, what: &str, command: &str) -> String {
    Run::new("python3")
        .args(["-c", WHILE_ASKED, what, "sh", "-c", command])
        .env("IMGMOUNT", env!("CARGO_BIN_EXE_imgmount"))
        .within(scratch.path())
        .text()
}

/// Each way to a question: a verb, a mount in the foreground and in the background, and `run`; with
/// the role of the process that reads the image.
const WAYS: [(&str, &str); 4] = [
    ("ls disk.luks", "reader"),
    ("-f disk.luks m", "worker"),
    ("disk.luks m", "worker"),
    ("run disk.luks -- true", "worker"),
];

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    luks(&scratch);
    scratch.folder("m");
    scratch
}

#[test]
fn the_process_that_reads_the_image_never_has_the_terminal() {
    need!(root, fuse, tool "cryptsetup", tool "python3");
    let scratch = scratch();
    for (command, role) in [WAYS[0], WAYS[2], WAYS[3]] {
        let command = format!("exec $IMGMOUNT {command}");
        let told = while_asked(&scratch, "type=open sesame", &command);
        assert!(told.contains("hidden True"), "{command}: {told}");
        assert!(told.contains(role), "{command}: {told}");
        assert!(told.contains("open True terminals []"), "{command}: {told}");
        assert!(told.contains("shown True code 0"), "{command}: {told}");
        assert!(!told.contains("sesame"), "{command}: {told}");
    }
    crate::support::command::imgmount()
        .arg("umount")
        .arg(scratch.join("m"))
        .run();
}

/// `--passphrase-fd` and `--key` can name a terminal as well.
#[test]
fn a_terminal_that_the_user_names_is_read_by_the_command_alone() {
    need!(tool "cryptsetup", tool "python3");
    let scratch = scratch();
    for command in [
        "exec $IMGMOUNT ls --passphrase-fd 0 disk.luks",
        "exec $IMGMOUNT ls --passphrase-fd 7 disk.luks 7< /dev/tty",
    ] {
        let told = while_asked(&scratch, "type=open sesame", command);
        // The process that will read the image may have begun; it has nothing of the terminal.
        assert!(
            told.contains("hidden True roles front"),
            "{command}: {told}"
        );
        assert!(told.contains("terminals []\n"), "{command}: {told}");
        assert!(told.contains("shown True code 0"), "{command}: {told}");
        assert!(told.contains("luks.img"), "{command}: {told}");
        assert!(!told.contains("sesame"), "{command}: {told}");
    }
}

#[test]
fn whatever_ends_a_question_the_terminal_shows_again_what_is_typed() {
    need!(fuse, tool "cryptsetup", tool "python3");
    let scratch = scratch();
    for (command, role) in WAYS {
        let command = format!("exec $IMGMOUNT {command}");
        let front = ["SIGTERM=front", "SIGINT=front", "SIGHUP=front"].map(str::to_owned);
        let mut ends = Vec::from(front);
        ends.push(format!("SIGKILL={role}"));
        if command.ends_with("exec $IMGMOUNT disk.luks m") {
            ends.extend(["supervisor", "front"].map(|role| format!("SIGKILL={role}")));
        }
        for end in ends {
            let told = while_asked(&scratch, &end, &command);
            assert!(told.contains("hidden True"), "{command}, {end}: {told}");
            assert!(
                told.contains("shown True code "),
                "{command}, {end}: {told}"
            );
            assert!(!told.contains("code 0"), "{command}, {end}: {told}");
            assert!(!told.contains("code None"), "{command}, {end}: {told}");
            assert!(!scratch.join("m/disk.img").exists(), "{command}, {end}");
        }
    }
}
