//! Discs in whole sectors, with and without a sheet.

use std::ops::Range;
use std::path::Path;

use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

const SYNC: [u8; 12] = [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0];

const SHEET: &str = "CATALOG 1234567890123\nFILE \"disc.bin\" BINARY\n  TRACK 01 MODE1/2352\n    \
    PREGAP 00:02:00\n    INDEX 01 00:00:00\n  TRACK 02 AUDIO\n    INDEX 00 00:02:20\n    INDEX 01 00:02:25\n";

pub struct Cd;

impl Family for Cd {
    fn name(&self) -> &'static str {
        "cd"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        made().unwrap_or_default()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let bytes = &seed.files[0].1;
        if !bytes.starts_with(&SYNC) {
            let len = bytes.len() as u64;
            let field = |at| Field::new(format!("byte {at}"), at, 1, Order::Little);
            return vec![Structure {
                name: "sheet".to_owned(),
                file: 0,
                range: 0..len,
                parent: Some(0),
                fields: (0..len).map(field).collect(),
            }];
        }
        let head = [
            ("sync", 4),
            ("sync end", 8),
            ("minute", 1),
            ("second", 1),
            ("frame", 1),
            ("mode", 1),
            ("sub", 8),
        ];
        let sectors = [0, 1, 16, 17, 18, 30];
        let structure = |sector: u64| Structure {
            name: format!("sector {sector}"),
            file: 0,
            range: sector * 2352..sector * 2352 + 24,
            parent: Some(0),
            fields: Field::row(sector * 2352, Order::Little, &head),
        };
        sectors.into_iter().map(structure).collect()
    }

    fn seal(&self, _: &mut [Vec<u8>], _: &[Structure], _: (usize, Range<u64>)) {}
}

fn made() -> Option<Vec<Seed>> {
    let workshop = Workshop::new("cd")?;
    for (name, bytes) in tools::inner_files() {
        workshop.write(&format!("files/{name}"), &bytes)?;
    }
    workshop.run("xorriso -as mkisofs -quiet -R --modification-date=2023111422132000 -no-pad -o disc.iso files")?;
    let data = workshop.read("disc.iso")?;
    let first = sectors(&data, 1);
    let with_audio = [&first[..], &[0x11; 2352 * 10]].concat();
    Some(vec![
        Seed::alone("disc.bin", first),
        Seed::alone("second.bin", sectors(&data, 2)),
        Seed {
            name: "disc.cue".to_owned(),
            files: vec![
                ("disc.cue".to_owned(), SHEET.into()),
                ("disc.bin".to_owned(), with_audio),
            ],
            key: None,
        },
    ])
}

/// `data` in sectors of 2352 bytes, numbered as on a disc; nobody looks at the codes behind.
fn sectors(data: &[u8], mode: u8) -> Vec<u8> {
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
        sector.resize(2352, 0xc5);
        bytes.extend(sector);
    }
    bytes
}
