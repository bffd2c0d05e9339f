//! Groups that LVM2's own tools make on loop devices, without device-mapper: what `lvs` says of the
//! extents is where the bytes are.

use std::path::{Path, PathBuf};

use imgmount::service::open::Options;

use super::bytes;
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// Files as loop devices, given back in the end, and a configuration that sees nothing else.
struct Devices {
    paths: Vec<PathBuf>,
    folder: PathBuf,
}

impl Devices {
    fn new(scratch: &Scratch, files: &[PathBuf]) -> Self {
        let attach = |file: &PathBuf| {
            let name = Run::new("losetup").words("-f --show").arg(file).text();
            PathBuf::from(name.trim())
        };
        let paths: Vec<PathBuf> = files.iter().map(attach).collect();
        let folder = scratch.folder("lvm");
        let accept = paths
            .iter()
            .map(|path| format!("\"a|^{}$|\", ", path.display()));
        let accept: String = accept.collect();
        let config = format!(
            "devices {{ filter=[{accept}\"r|.*|\"] use_devicesfile=0 }}\n\
             global {{ activation=0 use_lvmpolld=0 event_activation=0 locking_dir=\"{}\" }}\n\
             backup {{ backup=0 archive=0 }}\n",
            folder.join("lock").display()
        );
        std::fs::write(folder.join("lvm.conf"), config).unwrap();
        Self { paths, folder }
    }

    /// Runs one of LVM2's commands.
    fn run(&self, line: &str, more: &[&Path]) -> String {
        let (program, words) = line.split_once(' ').unwrap();
        let run = Run::new(program).words(words).args(more);
        let run = run.env("LVM_SYSTEM_DIR", &self.folder);
        run.env("LVM_SUPPRESS_FD_WARNINGS", "1").text()
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        for path in &self.paths {
            Run::new("losetup").arg("-d").arg(path).run();
        }
    }
}

/// A file of 24 MiB in which each sector says where it is.
fn numbered(scratch: &Scratch, name: &str) -> PathBuf {
    let path = scratch.join(name);
    let sectors = (0..24_u32 << 11).flat_map(|sector| {
        let mut bytes = vec![b'.'; 512];
        let text = format!("{name} {sector}\n");
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    });
    std::fs::write(&path, sectors.collect::<Vec<u8>>()).unwrap();
    path
}

#[test]
fn the_extents_are_where_lvs_says() {
    need!(loop, tool "losetup", tool "pvcreate");
    let scratch = Scratch::new();
    let files = ["one", "two", "three"].map(|name| numbered(&scratch, name));
    let devices = Devices::new(&scratch, &files);
    let paths: Vec<&Path> = devices.paths.iter().map(PathBuf::as_path).collect();
    devices.run(
        "pvcreate -q --metadatasize 200k --metadatacopies 2",
        &paths[..2],
    );
    devices.run("pvcreate -q --metadatacopies 0", &paths[2..]);
    devices.run("vgcreate -q -s 64k vg-a_b.c", &paths);
    let usual = "-q -y -an -Wn -Zn";
    devices.run(&format!("lvcreate {usual} -l 300 -n lin vg-a_b.c"), &[]);
    devices.run(
        &format!("lvcreate {usual} -i 3 -I 4k -l 90 -n three vg-a_b.c"),
        &[],
    );
    devices.run(
        &format!("lvcreate {usual} -i 2 -I 16k -l 64 -n two vg-a_b.c"),
        &[],
    );
    devices.run("lvextend -q -y -l +200 vg-a_b.c/lin", &[]);
    devices.run("lvremove -q -y vg-a_b.c/three", &[]);
    devices.run(&format!("lvcreate {usual} -l 60 -n again vg-a_b.c"), &[]);
    // Enough texts for each ring to go round.
    for number in 0..60 {
        devices.run(&format!("lvchange -q --addtag t{number} vg-a_b.c/two"), &[]);
    }
    let starts = devices.run(
        "pvs --noheadings --nosuffix --units b -o pv_name,pe_start",
        &[],
    );
    let segments = devices.run(
        "lvs --noheadings --nosuffix --units b -o lv_name,stripes,stripe_size,seg_start,seg_size,seg_pe_ranges",
        &[],
    );
    let options = Options {
        with: files[..2].to_vec(),
        ..Options::default()
    };
    let image = library::open_with(&files[2], &options);
    let start_of = |device: &str| -> usize {
        let line = starts.lines().find(|line| line.contains(device)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let raw = files.each_ref().map(|file| std::fs::read(file).unwrap());
    // The extents of a range as lvs prints it: /dev/loop0:5-9.
    let range = |text: &str| -> Vec<u8> {
        let (device, range) = text.split_once(':').unwrap();
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let index = paths
            .iter()
            .position(|path| *path == Path::new(device))
            .unwrap();
        let start = start_of(&format!("{device} "));
        raw[index][start + first * 65536..start + (last + 1) * 65536].to_vec()
    };
    let mut compared = 0;
    for line in segments.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [name, _, chunk, start, size, ranges @ ..] = &columns[..] else {
            panic!("{line}");
        };
        let (chunk, start, size): (usize, usize, usize) = (
            chunk.parse().unwrap(),
            start.parse().unwrap(),
            size.parse().unwrap(),
        );
        let sides: Vec<Vec<u8>> = ranges.iter().map(|text| range(text)).collect();
        let chunk = if sides.len() == 1 { size } else { chunk };
        let expected: Vec<u8> = (0..sides[0].len() / chunk)
            .flat_map(|row| {
                sides
                    .iter()
                    .flat_map(move |side| &side[row * chunk..][..chunk])
            })
            .copied()
            .collect();
        let found = bytes(&image.stack, &format!("vg-a_b.c/{name}")).unwrap();
        assert!(found[start..start + size] == expected, "{line}");
        compared += 1;
    }
    assert!(compared >= 4, "{segments}");
}
