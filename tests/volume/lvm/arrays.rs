//! RAID volumes, of all images and of as few as the level allows. Where data and parity are is
//! written down here row by row, as drivers/md/raid5.c computes it.

use imgmount::stack::Stack;

use super::super::rows::spread;
use super::bytes;
use super::groups::look;
use super::made::{EXTENT, Physical, extent, hidden, linear, logical, segment, text};

/// Extents of an image.
pub const IMAGE: u64 = 12;

/// Bytes of a chunk.
pub const CHUNK: usize = 1024;

/// A type, its rows (data by number, P and Q; they repeat), and how many images may be missing.
const CASES: &[(&str, &str, usize)] = &[
    ("raid0", "012", 0),
    ("raid4", "P01", 1),
    ("raid5", "012P 12P0 2P01 P012", 1),
    ("raid5_ls", "01P 1P0 P01", 1),
    ("raid5_la", "012P 01P2 0P12 P012", 1),
    ("raid5_rs", "P012 2P01 12P0 012P", 1),
    ("raid5_ra", "P012 0P12 01P2 012P", 1),
    ("raid5_n", "012P", 1),
    ("raid6", "PQ012 0PQ12 01PQ2 012PQ Q012P", 2),
    ("raid6_zr", "PQ01 0PQ1 01PQ Q01P", 2),
    ("raid6_nr", "012PQ 01PQ2 0PQ12 PQ012 Q012P", 2),
    ("raid6_nc", "012QP 12QP0 2QP01 QP012 P012Q", 2),
    ("raid6_n_6", "012PQ", 2),
    ("raid6_ls_6", "012PQ 12P0Q 2P01Q P012Q", 2),
    ("raid6_la_6", "012PQ 01P2Q 0P12Q P012Q", 2),
    ("raid6_rs_6", "P012Q 2P01Q 12P0Q 012PQ", 2),
    ("raid6_ra_6", "P012Q 0P12Q 01P2Q 012PQ", 2),
    ("raid6_0_6", "P012Q", 2),
];

/// What is in the volume, and the images that hold it.
pub fn array(kind: &str, rows: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let first = rows.split(' ').next().unwrap();
    let width = first.chars().filter(char::is_ascii_digit).count();
    let all = (0..).flat_map(|number| extent('z', number));
    let volume: Vec<u8> = all.take((IMAGE * EXTENT) as usize * width).collect();
    let is_ddf = ["raid6", "raid6_zr", "raid6_nr", "raid6_nc"].contains(&kind);
    let images = spread(rows, is_ddf, CHUNK, &volume);
    (volume, images)
}

/// The group with a volume `r` of this kind, on as many physical volumes as there are images, each
/// with an extent for what is known of it and its image behind that; `more` is in its segment.
pub fn group(
    kind: &str,
    images: &[Vec<u8>],
    extents: u64,
    more: &str,
    states: &[Vec<u8>],
) -> Vec<Vec<u8>> {
    let letters = &"abcdefgh"[..images.len()];
    let names = (0..images.len()).map(|index| match kind {
        "raid0" => format!("\"r_rimage_{index}\""),
        _ => format!("\"r_rmeta_{index}\", \"r_rimage_{index}\""),
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let (count, list) = match kind {
        "raid0" => ("stripe_count", "raid0_lvs"),
        _ => ("device_count", "raids"),
    };
    let body = format!(
        "type = \"{kind}\"\n{count} = {}\nregion_size = 64\n{more}\n{list} = [{names}]",
        images.len()
    );
    let image_extents = images[0].len() as u64 / EXTENT;
    let mut volumes = logical("r", &[segment(0, extents, &body)]);
    for index in 0..images.len() {
        let area = |extent| format!("\"pv{index}\", {extent}");
        volumes += &hidden(&format!("r_rmeta_{index}"), &[linear(0, 1, &area(0))]);
        volumes += &hidden(
            &format!("r_rimage_{index}"),
            &[linear(0, image_extents, &area(1))],
        );
    }
    let text = text(1, letters, image_extents + 1, "", &volumes);
    let physical = letters.chars().zip(images).enumerate();
    let physical = physical.map(|(index, (letter, image))| {
        let mut bytes = Physical::new(letter, &text).with(0);
        let mut state = states.get(index).cloned().unwrap_or_default();
        state.resize(EXTENT as usize, 0);
        bytes.extend(state);
        bytes.extend(image);
        bytes
    });
    physical.collect()
}

/// What is in the group without the images numbered `gone`.
pub fn without(physical: &[Vec<u8>], gone: &[usize]) -> Stack {
    let there = physical
        .iter()
        .enumerate()
        .filter(|(index, _)| !gone.contains(index));
    let there: Vec<Vec<u8>> = there.map(|(_, bytes)| bytes.clone()).collect();
    look(&there).0
}

#[test]
fn every_layout_is_read_of_all_images_and_without_each() {
    for (kind, rows, spare) in CASES {
        let (volume, images) = array(kind, rows);
        let data = (volume.len() as u64).div_ceil(EXTENT);
        let physical = group(kind, &images, data, "stripe_size = 2", &[]);
        let read = |gone: &[usize]| bytes(&without(&physical, gone), "vg0/r");
        assert!(read(&[]) == Ok(volume.clone()), "{kind}");
        for one in 0..images.len() {
            if *spare == 0 {
                let error = read(&[one]).unwrap_err().to_string();
                assert!(error.contains("1 of 3 members are missing"), "{error}");
                assert!(error.contains("is missing (--with"), "{error}");
                continue;
            }
            assert!(read(&[one]) == Ok(volume.clone()), "{kind} without {one}");
            for two in 0..one {
                let found = read(&[one, two]);
                match spare {
                    2 => assert!(found == Ok(volume.clone()), "{kind} without {one}, {two}"),
                    _ => assert!(found.unwrap_err().to_string().contains("too many")),
                }
            }
        }
    }
}

#[test]
fn mirrors_are_read_from_whatever_leg_there_is() {
    let image = array("raid0", "0").0;
    let images = vec![image.clone(), image.clone(), image.clone()];
    let physical = group("raid1", &images, IMAGE, "", &[]);
    for gone in [vec![], vec![0], vec![0, 1], vec![1, 2]] {
        assert!(bytes(&without(&physical, &gone), "vg0/r") == Ok(image.clone()));
    }
}

#[test]
fn raid10_has_each_chunk_twice_in_a_row() {
    let (volume, halves) = array("raid0", "01");
    let images = [&halves[0], &halves[0], &halves[1], &halves[1]].map(Clone::clone);
    let more = "stripe_size = 2\ndata_copies = 2";
    let physical = group("raid10", &images, 2 * IMAGE, more, &[]);
    for gone in [vec![], vec![0], vec![1, 2], vec![0, 3], vec![1, 3]] {
        assert!(
            bytes(&without(&physical, &gone), "vg0/r") == Ok(volume.clone()),
            "{gone:?}"
        );
    }
    let error = bytes(&without(&physical, &[2, 3]), "vg0/r")
        .unwrap_err()
        .to_string();
    assert!(error.contains("2 of 4 members are missing"), "{error}");
}

/// `struct dm_raid_superblock` of an image that is in step, field for field as the kernel leaves it
/// behind: of an array of `count` images whose data begin at sector `data_offset`.
pub fn superblock(count: u32, position: u32, data_offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let all = u64::MAX;
    let [level, layout, chunk] = [5, 2, CHUNK as u32 / 512];
    // Magic, compatible features, devices, position.
    bytes.extend(
        [0x6452_6d44, 1, count, position]
            .map(u32::to_le_bytes)
            .concat(),
    );
    // Events, failed devices, recovered and synchronised up to.
    bytes.extend([30, 0, all, all].map(u64::to_le_bytes).concat());
    // Level, layout, chunk, flags.
    bytes.extend([level, layout, chunk, 0].map(u32::to_le_bytes).concat());
    // Reshaped up to; what level, layout and chunk are to be, and by how many devices more.
    bytes.extend(all.to_le_bytes());
    bytes.extend([level, layout, chunk, 0].map(u32::to_le_bytes).concat());
    // Sectors of the array, data offset and new data offset, sectors of an image. What a reshape
    // leaves in the last is less than there are: nothing goes by it.
    let sectors = IMAGE * EXTENT / 512;
    bytes.extend(
        [3 * sectors, data_offset, data_offset, sectors / 2]
            .map(u64::to_le_bytes)
            .concat(),
    );
    bytes
}

/// What device-mapper knows of an image of three: its events, which failed, how far it is rebuilt.
fn state(position: u32, events: u64, failed: u64, rebuilt: u64) -> Vec<u8> {
    let mut bytes = superblock(3, position, 0);
    bytes[16..40].copy_from_slice(&[events, failed, rebuilt].map(u64::to_le_bytes).concat());
    bytes
}

#[test]
fn an_image_that_is_out_of_step_is_not_read() {
    let (volume, mut images) = array("raid5", "01P 1P0 P01");
    images[1] = images[1].iter().map(|byte| !byte).collect();
    let whole = u64::MAX;
    let fine = |position| state(position, 9, 0, whole);
    for (first, second) in [
        (state(0, 9, 2, whole), state(1, 9, 2, whole)),
        (fine(0), state(1, 5, 0, whole)),
        (fine(0), state(1, 9, 0, 100)),
    ] {
        let states = [first, second, fine(2)];
        let physical = group("raid5", &images, 2 * IMAGE, "stripe_size = 2", &states);
        let (stack, notices) = look(&physical);
        assert!(bytes(&stack, "vg0/r") == Ok(volume.clone()));
        let said = "volume group vg0: r_rimage_1: it is missing or out of step, and is not read";
        assert_eq!(notices, [said]);
    }
}
