//! What is put into the file systems that are packed from a folder.

use crate::tools::Workshop;

/// Writes files of several kinds below `folder`: short and long, noise and text, with holes, many in
/// one directory, links, and extended attributes where this host has them.
pub fn write(workshop: &Workshop, folder: &str) -> Option<()> {
    let line = |number: usize| format!("line {number} of a file that packs: {}\n", number * 7);
    let text: String = (0..900).map(line).collect();
    let noise = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 13) as u8;
    let mut holes = vec![0; 60_000];
    holes[20_000..21_000].fill(7);
    let files = [
        ("empty", Vec::new()),
        ("small", b"a few bytes\n".to_vec()),
        ("noise", (0..20_000).map(noise).collect()),
        ("text", text.clone().into_bytes()),
        ("tail", text.as_bytes()[..9000].to_vec()),
        ("holes", holes),
        ("folder/deeper/leaf", b"leaf\n".to_vec()),
    ];
    for (name, bytes) in files {
        workshop.write(&format!("{folder}/{name}"), &bytes)?;
    }
    for number in 0..30 {
        let name = format!("{folder}/many/a-rather-long-name-of-a-file-{number}");
        workshop.write(&name, line(number).as_bytes())?;
    }
    workshop.run(&format!("ln {folder}/small {folder}/folder/hard"))?;
    workshop.run(&format!("ln -s ../small {folder}/folder/link"))?;
    // Without the program, or on a host without attributes, the others do.
    let script = format!(
        "setfattr -n user.one -v value {folder}/small {folder}/folder
        setfattr -n user.two -v another {folder}/small {folder}/text
        find {folder} -exec touch -h -d @1700000000 {{}} +
        true"
    );
    workshop.run_with("sh", script.as_bytes())?;
    Some(())
}
