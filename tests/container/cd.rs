//! Discs in whole sectors, made of what xorriso writes, and taken apart again by bchunk.

use std::path::{Path, PathBuf};

use imgmount::service::open::Options;

use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

const SYNC: [u8; 12] = [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0];

/// A disc with one file.
fn iso(scratch: &Scratch) -> PathBuf {
    let files = scratch.folder("tracks");
    std::fs::write(files.join("hello"), vec![b'x'; 5000]).unwrap();
    let image = scratch.join("disc.iso");
    let xorriso = Run::new("xorriso").words("-as mkisofs -quiet -R -o");
    xorriso.arg(&image).arg(&files).run();
    image
}

/// `data` in sectors of `mode`, each of `size` bytes, numbered as on a disc.
fn sectors(data: &[u8], mode: u8, size: usize) -> Vec<u8> {
    let bcd = |number: usize| (number / 10 % 10 * 16 + number % 10) as u8;
    let mut bytes = Vec::new();
    for (number, data) in data.chunks(2048).enumerate() {
        let frame = number + 150;
        let address = [frame / 75 / 60, frame / 75 % 60, frame % 75].map(bcd);
        let mut sector = [&SYNC[..], &address, &[mode]].concat();
        if mode == 2 {
            sector.extend([0, 0, 8, 0, 0, 0, 8, 0]);
        }
        sector.extend(data);
        sector.resize(size, 0xc5);
        bytes.extend(sector);
    }
    bytes
}

/// A disc in sectors of 2352 bytes, and the disc itself.
pub fn bin(scratch: &Scratch) -> (PathBuf, PathBuf) {
    let iso = iso(scratch);
    let bin = scratch.join("disc.bin");
    std::fs::write(&bin, sectors(&std::fs::read(&iso).unwrap(), 1, 2352)).unwrap();
    (bin, iso)
}

/// A sheet for the disc of [`bin`].
pub fn cue(scratch: &Scratch) -> PathBuf {
    bin(scratch);
    let cue = scratch.join("disc.cue");
    let text = "FILE \"disc.bin\" BINARY\n  TRACK 01 MODE1/2352\n    INDEX 01 00:00:00\n";
    std::fs::write(&cue, text).unwrap();
    cue
}

/// What is read as the only disk of `image`.
fn disk(image: &Path) -> Vec<u8> {
    let opened = library::open_with(image, &Options::default());
    let disk = opened.stack.disks[0].source.as_ref().unwrap().clone();
    let mut bytes = vec![0; usize::try_from(disk.size()).unwrap()];
    disk.read_exact_at(&mut bytes, 0).unwrap();
    let filesystem = library::file_system(&opened);
    assert_eq!(library::read_path(&*filesystem, "hello"), vec![b'x'; 5000]);
    bytes
}

#[test]
fn sectors_of_every_mode_have_the_discs_data() {
    need!(tool "xorriso");
    let scratch = Scratch::new();
    let data = std::fs::read(iso(&scratch)).unwrap();
    for (mode, size) in [(1, 2352), (2, 2352), (1, 2448), (2, 2448)] {
        let image = scratch.join("sectors.bin");
        std::fs::write(&image, sectors(&data, mode, size)).unwrap();
        assert!(disk(&image) == data, "mode {mode}, {size} bytes");
    }
}

#[test]
fn a_sheet_names_the_file_and_bchunk_takes_the_same_from_it() {
    need!(tool "xorriso", tool "bchunk");
    let scratch = Scratch::new();
    let cue = cue(&scratch);
    let bchunk = Run::new("bchunk").within(scratch.path());
    bchunk.args(["disc.bin", "disc.cue", "taken"]).run();
    let taken = std::fs::read(scratch.join("taken01.iso")).unwrap();
    assert!(disk(&cue) == taken);
    assert!(disk(&scratch.join("disc.bin")) == taken);
}

#[test]
fn tracks_of_every_kind_in_one_file_and_in_several() {
    need!(tool "xorriso");
    let scratch = Scratch::new();
    let data = std::fs::read(iso(&scratch)).unwrap();
    let frames = data.len() / 2048;
    let time = |frame: usize| {
        format!(
            "{:02}:{:02}:{:02}",
            frame / 4500,
            frame / 75 % 60,
            frame % 75
        )
    };
    let sound = vec![7; 2352 * 300];
    let two = [sectors(&data, 2, 2352), sound.clone()].concat();
    std::fs::write(scratch.join("two.bin"), two).unwrap();
    std::fs::write(scratch.join("sound.bin"), &sound).unwrap();
    std::fs::write(scratch.join("plain.bin"), &data).unwrap();
    let behind = [sound, sectors(&data, 1, 2352)].concat();
    std::fs::write(scratch.join("behind.bin"), behind).unwrap();
    let sheets = [
        format!(
            "FILE two.bin BINARY\nTRACK 01 MODE2/2352\nINDEX 01 00:00:00\n\
             TRACK 02 AUDIO\nINDEX 00 {}\nINDEX 01 {}\n",
            time(frames),
            time(frames + 150)
        ),
        "FILE sound.bin BINARY\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n\
         FILE plain.bin BINARY\nTRACK 02 MODE1/2048\nINDEX 01 00:00:00\n"
            .to_owned(),
        "FILE behind.bin BINARY\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n\
         TRACK 02 MODE1/2352\nINDEX 00 00:04:00\nINDEX 01 00:04:00\n"
            .to_owned(),
    ];
    for sheet in sheets {
        let cue = scratch.join("sheet.cue");
        std::fs::write(&cue, &sheet).unwrap();
        assert!(disk(&cue) == data, "{sheet}");
    }
}

#[test]
fn a_sheet_leads_to_no_file_elsewhere() {
    let scratch = Scratch::new();
    let cue = scratch.join("disc.cue");
    for name in ["/etc/passwd", "../disc.bin", "missing.bin"] {
        let text = format!("FILE \"{name}\" BINARY\nTRACK 01 MODE1/2352\nINDEX 01 00:00:00\n");
        std::fs::write(&cue, text).unwrap();
        let opened = imgmount::service::open::open(&cue, &Options::default());
        assert!(opened.is_err(), "{name}");
    }
}
