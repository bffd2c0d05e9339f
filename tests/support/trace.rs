//! What strace(1) writes of several processes at once.

use std::collections::BTreeMap;

/// `log`, written by `strace -f -o`, with each call in one line, at its end: one during which another
/// process did something is in two.
pub fn whole_calls(log: &str) -> String {
    let mut begun = BTreeMap::new();
    let mut whole = String::new();
    for line in log.lines() {
        let (process, call) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(start) = call.strip_suffix("<unfinished ...>") {
            begun.insert(process, start);
            continue;
        }
        let end = call.trim_start().strip_prefix("<... ");
        let end = end.and_then(|end| end.split_once(" resumed>"));
        let line = match end.zip(begun.remove(process)) {
            Some(((_, end), start)) => format!("{process} {start}{end}"),
            None => line.to_owned(),
        };
        whole += &(line + "\n");
    }
    // What a process was killed in.
    for (process, start) in begun {
        whole += &format!("{process} {start}= ?\n");
    }
    whole
}

#[test]
fn a_call_in_two_lines_is_joined_at_its_end() {
    let log = "7 open(\"a\" <unfinished ...>\n8    close(3) = 0\n7 <... open resumed>, 0) = 4\n\
               9 read(0 <unfinished ...>\n";
    let whole = "8    close(3) = 0\n7 open(\"a\" , 0) = 4\n9 read(0 = ?\n";
    assert_eq!(whole_calls(log), whole);
}
