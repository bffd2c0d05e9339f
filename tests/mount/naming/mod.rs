//! Images of every format that names other files, with names in every manner in which one can lead
//! out of its directory: under strace nothing is opened but the image, and nothing else is looked at.

mod images;

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use self::images::{Namer, put};
use super::code_and_words;
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::trace::whole_calls;

/// What a name may lead to, and what has to be said.
struct Manner {
    name: String,
    /// One of these is said.
    words: &'static [&'static str],
    /// What is opened for it, by its name beside the image.
    opens: Option<&'static str>,
}

const FOLLOWED: &[&str] = &["; allow with --allow-file PATH"];
const NEVER: &[&str] = &[
    "which is no file name and is never followed",
    "is not in the package",
];
const NOTHING: &[&str] = &["there is no such file in ", "is not there"];

/// A directory `vm` for the image, with what names may lead to, and `elsewhere` with what they must
/// not.
struct Place {
    scratch: Scratch,
    vm: PathBuf,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new();
        let (vm, elsewhere) = (scratch.folder("vm"), scratch.folder("elsewhere"));
        std::fs::write(elsewhere.join("secret"), vec![b's'; 1 << 20]).unwrap();
        std::fs::write(elsewhere.join("other"), vec![b'o'; 1 << 20]).unwrap();
        std::fs::create_dir(elsewhere.join("inner")).unwrap();
        std::fs::create_dir(vm.join("folder")).unwrap();
        symlink("../elsewhere/secret", vm.join("link")).unwrap();
        symlink("../elsewhere", vm.join("linked")).unwrap();
        symlink("/proc/self/environ", vm.join("magic")).unwrap();
        std::fs::write(vm.join("own"), vec![b'w'; 1 << 20]).unwrap();
        Run::new("mkfifo").arg(vm.join("fifo")).run();
        Self { scratch, vm }
    }

    fn manners(&self, image: &'static str) -> Vec<Manner> {
        let root = self.scratch.path().display();
        let of = |name: &str, words| Manner {
            name: name.to_owned(),
            words,
            opens: None,
        };
        let mut all: Vec<Manner> = [
            &format!("{root}/elsewhere/secret"),
            &format!("{root}/vm/../elsewhere/secret"),
            "../elsewhere/secret",
            "../vm/../elsewhere/secret",
            "folder/../../elsewhere/secret",
            "link",
            "linked/secret",
            "magic",
            "folder/none",
            "/dev/zero",
            "/proc/self/fd/3",
            "/proc/self/exe",
            "/proc/1/root/etc/passwd",
            "..",
            "own/",
        ]
        .map(|name| of(name, FOLLOWED))
        .into();
        all.extend(
            [
                "json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}",
                "nbd:localhost:10809",
                "nbd+unix:///x?socket=/run/x",
                "http://localhost/x",
                "fd:3",
                "host_device:/dev/zero",
            ]
            .map(|name| of(name, NEVER)),
        );
        all.extend(["fifo", "folder"].map(|name| of(name, &["it is not a regular file"])));
        all.extend(["a\n\x1b[31mb", "none"].map(|name| of(name, NOTHING)));
        let nonsense = &[
            "no file can be called that",
            "backing_filename_size 0 is not 1 to 1023",
            "an extent with an empty file name",
            "a File has no href",
            "parentCID 00000001 and no parentFileNameHint",
        ];
        all.push(of(
            &"d/".repeat(2100),
            &["no file can be called that", "file_size", "_size 4200"],
        ));
        all.push(of("own\0", nonsense));
        all.push(of("", nonsense));
        all.extend(["hard", image].map(|name| Manner {
            name: name.to_owned(),
            words: &["backing loop"],
            opens: Some(name),
        }));
        all
    }

    /// Runs imgmount with what is in `line`, and the image at last.
    fn traced(&self, line: &str, image: &str) -> (Output, Trace) {
        let log = self.scratch.join("trace");
        let run = Run::new("strace")
            .args(["-f", "-s", "8192", "-o"])
            .arg(&log);
        let run = run.args(["-e", "trace=%file,connect,open_by_handle_at"]);
        let run = run.arg(env!("CARGO_BIN_EXE_imgmount")).words(line);
        let output = run.arg(image).within(&self.vm).output();
        (output, Trace::read(&log))
    }
}

/// What an strace log says of files.
struct Trace {
    /// The lines but for those that start a program, whose arguments name the image.
    lines: Vec<String>,
}

impl Trace {
    fn read(log: &Path) -> Self {
        let text = std::fs::read(log).unwrap();
        let text = whole_calls(&String::from_utf8_lossy(&text));
        let lines = text.lines().filter(|line| !line.contains("execve("));
        Self {
            lines: lines.map(str::to_owned).collect(),
        }
    }

    /// What was opened, but for what every run opens.
    fn opened(&self, own: &Path) -> BTreeSet<String> {
        let usual = |name: &String| {
            let starts = [
                "/lib",
                "/usr/lib",
                "/etc/ld.so",
                "/proc/self/",
                "/sys/fs/cgroup/",
            ];
            starts.iter().any(|start| name.starts_with(start))
                || ["/dev/null", ".", own.to_str().unwrap()].contains(&name.as_str())
        };
        let opens = self.lines.iter();
        let opens = opens.filter(|line| line.contains("open") && !line.contains("= -1 "));
        let names = opens.map(|line| line.split('"').nth(1).unwrap_or(line).to_owned());
        names.filter(|name| !usual(name)).collect()
    }

    /// Whether anything was done with what has `word` in its path.
    fn speaks_of(&self, word: &str) -> bool {
        self.lines.iter().any(|line| line.contains(word))
    }
}

/// That images of `namers` open nothing by names of every manner.
fn check(namers: &[Namer]) {
    let (mut tried, mut wrong) = (0, Vec::new());
    for namer in namers {
        let place = Place::new();
        for manner in place.manners(namer.file) {
            let _ = std::fs::remove_file(place.vm.join("hard"));
            let image = place.vm.join(namer.file);
            if !(namer.write)(&image, &manner.name) {
                continue;
            }
            std::fs::hard_link(&image, place.vm.join("hard")).unwrap();
            if let Err(what) = outcome(&place, namer, &manner) {
                let name = manner.name.escape_debug();
                wrong.push(format!("{}: {name:.80}: {what}", namer.title));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > namers.len() * 20, "only {tried} images");
    println!("{tried} images opened nothing else");
}

/// What is wrong with what comes of an image of `namer` that names a file in this `manner`.
fn outcome(place: &Place, namer: &Namer, manner: &Manner) -> Result<(), String> {
    let (output, trace) = place.traced("ls", namer.file);
    let (code, said) = code_and_words(&output);
    if code != i32::from(!namer.goes_on) {
        return Err(format!("exit {code}: {said}"));
    }
    if !manner.words.iter().any(|words| said.contains(words)) {
        return Err(said);
    }
    let is_plain = |letter: char| letter == '\n' || !letter.is_control();
    if !said.chars().all(is_plain) {
        return Err(format!("control characters in {said:?}"));
    }
    let mut expected = BTreeSet::from([namer.file]);
    expected.extend(manner.opens);
    let opened = trace.opened(&place.vm);
    if !opened.iter().map(String::as_str).eq(expected) {
        return Err(format!("opened {opened:?}"));
    }
    let others = ["elsewhere", "/passwd", "connect(", "/dev/zero", "/proc/1/"];
    match others.iter().find(|word| trace.speaks_of(word)) {
        Some(word) => Err(format!("{word}: {:#?}", trace.lines)),
        None => Ok(()),
    }
}

#[test]
fn q11_q14_images_of_qemu_open_nothing_else() {
    need!(tool "strace");
    check(&images::QEMU);
}

#[test]
fn v07_o01_descriptors_and_sheets_open_nothing_else() {
    need!(tool "strace");
    check(&images::TEXT);
}

#[test]
fn h05_s10_children_and_devices_open_nothing_else() {
    need!(tool "strace", tool "qemu-img", tool "mkfs.erofs");
    check(&images::OTHER);
}

#[test]
fn what_is_looked_for_among_the_files_beside_it_is_no_link() {
    need!(tool "strace", tool "qemu-img");
    let place = Place::new();
    // Parts, by their names; and the parent of a VDI, by its UUID.
    std::fs::write(place.vm.join("disk.001"), vec![1; 1 << 16]).unwrap();
    symlink("../elsewhere/secret", place.vm.join("disk.002")).unwrap();
    symlink("../elsewhere/secret", place.vm.join("parent.vdi")).unwrap();
    let create = Run::new("qemu-img").words("create -q -f vdi image.vdi 1M");
    create.within(&place.vm).run();
    let mut vdi = std::fs::read(place.vm.join("image.vdi")).unwrap();
    // A differencing image whose uuidLink is of nobody.
    put(&mut vdi, 76, &4_u32.to_le_bytes());
    put(&mut vdi, 424, &[7; 16]);
    std::fs::write(place.vm.join("image.vdi"), vdi).unwrap();
    for (image, code, words) in [("disk.001", 0, "disk.img"), ("image.vdi", 1, "07070707")] {
        let (output, trace) = place.traced("ls", image);
        let (found, said) = code_and_words(&output);
        let said = said + &String::from_utf8_lossy(&output.stdout);
        assert!(found == code && said.contains(words), "{image}: {said}");
        assert_eq!(trace.opened(&place.vm), BTreeSet::from([image.to_owned()]));
        assert!(!trace.speaks_of("elsewhere"), "{:#?}", trace.lines);
    }
}

#[test]
fn what_is_allowed_is_opened_and_nothing_beside_it() {
    need!(tool "strace", tool "qemu-img", tool "mkfs.erofs");
    for namer in images::QEMU
        .iter()
        .chain(&images::TEXT)
        .chain(&images::OTHER)
    {
        let place = Place::new();
        let image = place.vm.join(namer.file);
        let elsewhere = place.scratch.join("elsewhere");
        let secret = elsewhere.join("secret").display().to_string();
        (namer.write)(&image, "../elsewhere/secret");
        for (options, opened) in [
            ("--allow-file ../elsewhere/secret", secret.as_str()),
            ("--allow-dir ../elsewhere", "secret"),
            ("-o allow_dir=..", "secret"),
            ("--allow-file ../elsewhere/other", ""),
            ("--allow-dir ../elsewhere/inner", ""),
            ("--allow-dir .", ""),
        ] {
            let title = format!("{}: {options}", namer.title);
            let (output, trace) = place.traced(&format!("ls {options}"), namer.file);
            let (code, said) = code_and_words(&output);
            if opened.is_empty() {
                assert!(said.contains(FOLLOWED[0]), "{title}: {said}");
                assert_eq!(code, i32::from(!namer.goes_on), "{title}: {said}");
            } else {
                assert!(!said.contains(FOLLOWED[0]), "{title}: {said}");
            }
            let found: Vec<String> = trace.opened(&place.vm).into_iter().collect();
            let found: Vec<&str> = found
                .iter()
                .map(String::as_str)
                .filter(|name| ![namer.file, "elsewhere", "elsewhere/inner"].contains(name))
                .filter(|name| !elsewhere.starts_with(name) && !name.ends_with("/elsewhere/inner"))
                .collect();
            let expected: &[&str] = if opened.is_empty() { &[] } else { &[opened] };
            assert_eq!(found, expected, "{title}");
        }
    }
}

#[test]
fn q11_what_is_swapped_for_a_link_meanwhile_is_never_read() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let place = Place::new();
    let at = |name: &str| place.vm.join(name);
    (images::QEMU[0].write)(&at("image.qcow2"), "target");
    std::fs::hard_link(at("own"), at("target")).unwrap();
    let done = AtomicBool::new(false);
    let (mut read, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for name in ["link", "own"] {
                    std::fs::hard_link(at(name), at("next")).unwrap();
                    std::fs::rename(at("next"), at("target")).unwrap();
                    std::thread::yield_now();
                }
            }
        });
        for _ in 0..200 {
            let run = Run::new(env!("CARGO_BIN_EXE_imgmount")).within(&place.vm);
            let output = run.words("cat image.qcow2 disk.img").output();
            if output.status.success() {
                assert!(output.stdout.iter().all(|byte| *byte == b'w'));
                assert_eq!(output.stdout.len(), 1 << 20);
                read += 1;
            } else {
                let (_, said) = code_and_words(&output);
                assert!(said.contains("a symbolic link; allow with"), "{said}");
                refused += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{read} read, {refused} refused");
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
}
