//! The architecture, held by reading the source: which module may name which, who may open files,
//! print, say `fuser`, be unsafe; and how long a file may be.

use std::path::{Path, PathBuf};

/// The modules in data-flow order; a module uses only what stands in a row above its own.
const ROWS: [&[&str]; 13] = [
    &["lock", "number", "sys"],
    &["error"],
    &["cache"],
    &["source"],
    &["format"],
    &["crypt"],
    &["image", "partition", "volume", "filesystem", "signature"],
    &["stack"],
    &["tree", "check"],
    &["fuse"],
    &["service"],
    &["cli"],
    &["main"],
];

/// Words that only some modules may say, and why.
const RESERVED: &[Reserved] = &[
    Reserved {
        words: &["fuser"],
        only: &["fuse"],
        why: "only fuse/ says fuser",
    },
    Reserved {
        words: &["PoisonError", "lock().unwrap", "lock().expect"],
        only: &["lock"],
        why: "a lock whose holder panicked is taken all the same, in lock.rs alone",
    },
    Reserved {
        words: &["unsafe"],
        only: &["sys"],
        why: "unsafe is in sys.rs alone",
    },
    Reserved {
        words: &[
            "File::open",
            "File::create",
            "OpenOptions",
            "fs::open",
            "fs::openat",
            "openat2",
            "fs::read",
            "fs::read_to_string",
            "fs::write",
        ],
        only: &["service", "cli", "sys"],
        why: "only service/ opens files, and cli/ those it writes",
    },
    Reserved {
        words: &[
            "println!",
            "print!",
            "eprintln!",
            "eprint!",
            "dbg!",
            "io::stdout",
        ],
        only: &["cli", "main"],
        why: "only cli/ prints",
    },
    Reserved {
        words: &["io::stderr"],
        // The supervisor passes on what the worker's log says, word for word.
        only: &["cli", "main", "service/supervisor"],
        why: "only cli/ prints",
    },
    Reserved {
        words: &["libc::E*", "Errno::*"],
        // lseek(2) says by an errno that there is no more data.
        only: &["fuse", "service", "cli", "sys", "source/file"],
        why: "errno numbers are for those who speak with the host's kernel",
    },
];

/// The longest source file, in lines.
const LONGEST: usize = 500;

struct Reserved {
    /// Paths or macros; `*` at the end stands for the rest of a name.
    words: &'static [&'static str],
    /// Modules, or files as `source/file`.
    only: &'static [&'static str],
    why: &'static str,
}

#[test]
fn every_arrow_points_the_way_the_data_flows() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let files = sources(root);
    assert!(files.len() > 20, "only {} files found", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let path = file.strip_prefix(root).unwrap();
        wrong.extend(violations(path, &text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn planted_violations_are_found() {
    let found = |path: &str, text: &str| violations(Path::new(path), text).len();
    assert_eq!(found("source/file.rs", "use crate::error::Error;"), 0);
    assert_eq!(found("source/file.rs", "use crate::stack::Stack;"), 1);
    assert_eq!(
        found("image/raw.rs", "use crate::{error, filesystem::Inode};"),
        1
    );
    assert_eq!(
        found("image/raw.rs", "let a = super::super::partition::FORMATS;"),
        1
    );
    assert_eq!(found("image/raw.rs", "use super::Open;"), 0);
    assert_eq!(found("image/mod.rs", "use super::volume::Open;"), 1);
    assert_eq!(
        found(
            "image/qcow2/mod.rs",
            "use super::raw; use super::super::cli;"
        ),
        1
    );
    assert_eq!(
        found(
            "stack.rs",
            "// crate::cli\nlet a = \"crate::cli\"; /* crate::fuse */"
        ),
        0
    );
    assert_eq!(found("stack.rs", "mod tests { use super::super::cli; }"), 1);
    assert_eq!(found("tree/mod.rs", "fn f(a: fuser::Reply) {}"), 1);
    assert_eq!(
        found(
            "tree/mod.rs",
            "let f = std::fs::File::open(p); println!(\"\")"
        ),
        2
    );
    assert_eq!(
        found("tree/mod.rs", "let unsafety = refuser; sprintln!()"),
        0
    );
    assert_eq!(found("tree/mod.rs", "unsafe { libc::EIO }"), 2);
    assert_eq!(
        found(
            "cli/ls.rs",
            "println!(\"{}\", '\"'); let life: &'static str;"
        ),
        0
    );
    let tested = "#[cfg(test)]\nmod tests { fs::write(a, b) }";
    assert_eq!(found("tree/mod.rs", tested), 0);
    assert_eq!(found("tree/mod.rs", &format!("fs::write(); {tested}")), 1);
    assert_eq!(found("stack.rs", &"\n".repeat(LONGEST + 1)), 1);
}

/// Every `.rs` file below `folder`.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What is wrong with the file at `path` below `src` that holds `text`, a line each.
fn violations(path: &Path, text: &str) -> Vec<String> {
    let parts = module_parts(path);
    let lines = text.lines().count();
    let mut wrong = Vec::new();
    if lines > LONGEST {
        wrong.push(format!("{}: {lines} lines, over {LONGEST}", path.display()));
    }
    let Some(module) = parts.first() else {
        return wrong; // lib.rs, which names them all
    };
    let code = without_comments_and_strings(text);
    let mut say = |at: usize, what: String| {
        let line = code[..at].lines().count().max(1);
        wrong.push(format!("{}:{line}: {what}", path.display()));
    };
    for (at, used) in modules_used(&code, parts.len()) {
        if used != *module && row(&used) >= row(module) {
            say(
                at,
                format!("{module} uses {used}, which stands to its right"),
            );
        }
    }
    for reserved in RESERVED {
        let file = parts.join("/");
        if reserved.only.contains(&module.as_str()) || reserved.only.contains(&file.as_str()) {
            continue;
        }
        for word in reserved.words {
            for at in places(without_tests(path, &code), word) {
                say(at, format!("{word}: {}", reserved.why));
            }
        }
    }
    wrong
}

/// `code` up to its unit tests, which write files and print: nothing in a file of tests alone.
fn without_tests<'a>(path: &Path, code: &'a str) -> &'a str {
    if path.ends_with("tests.rs") || path.ends_with("testing.rs") {
        return "";
    }
    code.split("#[cfg(test)]\nmod ").next().unwrap_or(code)
}

/// The module path of a file: `["image", "raw"]` for `image/raw.rs`, nothing for `lib.rs`.
fn module_parts(path: &Path) -> Vec<String> {
    let parts = path.with_extension("");
    let mut parts: Vec<String> = parts
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
        parts.pop();
    }
    parts
}

/// Which row `module` stands in; what is in none stands left of all.
fn row(module: &str) -> usize {
    let place = ROWS.iter().position(|row| row.contains(&module));
    place.map_or(0, |place| place + 1)
}

/// The top modules that `code`, of a module `depth` deep, names after `crate::`, or after as many
/// `super::` as lead there; each with its place.
fn modules_used(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for at in places(code, "crate::*") {
        let rest = &code[at + "crate::".len()..];
        used.extend(heads(rest).into_iter().map(|head| (at, head)));
    }
    // A file's inline `mod tests` is one deeper, so that one `super` more leads to the crate.
    for depth in [depth, depth + 1] {
        let supers = "super::".repeat(depth);
        for at in places(code, &format!("{supers}*")) {
            let inner = code[..at].ends_with("super::");
            let rest = &code[at + supers.len()..];
            for head in heads(rest) {
                if !inner && head != "super" && row(&head) > 0 {
                    used.push((at, head));
                }
            }
        }
    }
    used
}

/// The first names of what follows `crate::`: one, or those of a `{…}` list at its top level.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    if !rest.starts_with('{') {
        return vec![name(rest)];
    }
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut start = 1;
    for (at, character) in rest.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (character == ',' && depth == 1) || depth == 0 {
            heads.push(name(&rest[start..at]));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

/// Where `word` stands in `code` as a word of its own; with `*` at its end, as the start of one.
fn places(code: &str, word: &str) -> Vec<usize> {
    let (word, open_end) = match word.strip_suffix('*') {
        Some(word) => (word, true),
        None => (word, false),
    };
    let in_name =
        |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let stands_alone = |at: &usize| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !in_name(before) && (open_end || !in_name(after))
    };
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(stands_alone)
        .collect()
}

/// `text` with comments, string and character literals blanked, every line kept.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let skipped = literal_or_comment(rest);
        if skipped == 0 {
            code.push(character);
            rest = &rest[character.len_utf8()..];
        } else {
            let newlines = rest[..skipped].matches('\n').count();
            code.push_str(&"\n".repeat(newlines));
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

/// The length of the comment, string or character that `rest` starts with; 0 if none.
fn literal_or_comment(rest: &str) -> usize {
    let up_to = |end: &str, from: usize| {
        let found = rest[from..].find(end);
        found.map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return up_to("\n", 0) - usize::from(rest.contains('\n'));
    }
    if rest.starts_with("/*") {
        return up_to("*/", 2);
    }
    for hashes in ["###", "##", "#", ""] {
        let open = format!("r{hashes}\"");
        if rest.starts_with(&open) {
            return up_to(&format!("\"{hashes}"), open.len());
        }
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    // A character, not a lifetime: closed after one character or an escape.
    let mut characters = rest.chars();
    if characters.next() == Some('\'') {
        let second = characters.next();
        if second == Some('\\') || characters.next() == Some('\'') {
            return quoted(rest, '\'');
        }
    }
    0
}

/// The length of the literal at the start of `rest`, up to the next unescaped `quote`.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + character.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
