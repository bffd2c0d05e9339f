//! What leads to the volume, and how it says it is.

use imgmount::filesystem::Budget;

use super::*;

#[test]
fn i10_anchors() {
    let last = whole(Layout::Physical).len() / BLOCK - 1;
    let wipe = |bytes: &mut Vec<u8>, sector: usize| bytes[sector * BLOCK..][..BLOCK].fill(0);
    for sector in [256, last] {
        let bytes = finished(Layout::Physical, |bytes| wipe(bytes, sector));
        is_whole(&bytes);
    }
    let bytes = finished(Layout::Physical, |bytes| {
        let anchor = bytes[256 * BLOCK..][..BLOCK].to_vec();
        wipe(bytes, 256);
        wipe(bytes, last);
        let moved = last - 256;
        set(bytes, moved * BLOCK, &anchor);
        patch(bytes, moved as u32, |anchor| {
            set(anchor, 12, &(moved as u32).to_le_bytes())
        });
    });
    // 256 before the end.
    is_whole(&bytes);
    let bytes = finished(Layout::Physical, |bytes| {
        wipe(bytes, 256);
        wipe(bytes, last);
    });
    let error = refusal(&bytes, Corrupt, &["udf", "no anchor at sector 256 or 512"]);
    assert_eq!(error.offset(), None);
}

#[test]
fn i10_sequences_without_end() {
    // Both of 2^32 bytes, in which everything is a primary descriptor or nothing.
    let bytes = finished(Layout::Physical, |bytes| {
        let last = bytes.len() / BLOCK - 1;
        for anchor in [256, last as u32] {
            patch(bytes, anchor, |anchor| {
                set(anchor, 16, &u32::MAX.to_le_bytes());
                set(anchor, 24, &u32::MAX.to_le_bytes());
            });
        }
    });
    is_whole(&bytes);
    // Without the descriptor that ends them, and none that is looked for.
    let bytes = finished(Layout::Physical, |bytes| {
        for start in [MAIN, RESERVE] {
            for index in 0..4 {
                bytes[(start + index) as usize * BLOCK] = 0xa5;
            }
        }
        let last = bytes.len() / BLOCK - 1;
        for anchor in [256, last as u32] {
            patch(bytes, anchor, |anchor| {
                set(anchor, 16, &u32::MAX.to_le_bytes())
            });
        }
    });
    refused(&bytes, Corrupt, &["volume descriptor sequence"]);
}

#[test]
fn i10_volume_descriptor_pointers_in_a_loop() {
    let bytes = finished(Layout::Physical, |bytes| {
        for start in [MAIN, RESERVE] {
            let extent = short(16 * BLOCK as u32, start);
            let pointer = tagged(3, start, &[vec![9, 0, 0, 0], extent, vec![0; 484]].concat());
            set(bytes, start as usize * BLOCK, &pointer);
        }
    });
    refused(&bytes, Corrupt, &["extents follow each other"]);
}

#[test]
fn i10_a_pointer_leads_to_the_rest_of_the_sequence() {
    let bytes = finished(Layout::Physical, |bytes| {
        let rest = bytes[(MAIN as usize) * BLOCK..][..4 * BLOCK].to_vec();
        for start in [MAIN, RESERVE] {
            let extent = short(16 * BLOCK as u32, 224);
            let pointer = tagged(3, start, &[vec![9, 0, 0, 0], extent, vec![0; 484]].concat());
            set(bytes, start as usize * BLOCK, &pointer);
            bytes[(start as usize + 1) * BLOCK..][..3 * BLOCK].fill(0);
        }
        set(bytes, 224 * BLOCK, &rest);
        for index in 224..228_u32 {
            patch(bytes, index, |sector| set(sector, 12, &index.to_le_bytes()));
        }
    });
    is_whole(&bytes);
}

#[test]
fn i10_tags_of_the_volume() {
    // Both copies of each descriptor that is needed: sum, CRC, place, version.
    for index in [1, 2] {
        for (at, words) in [
            (4, "tag_checksum"),
            (100, "descriptor_crc"),
            (12, "tag_location"),
            (2, "descriptor_version"),
        ] {
            let bytes = finished(Layout::Physical, |bytes| {
                for start in [MAIN, RESERVE] {
                    bytes[(start + index) as usize * BLOCK + at] ^= 0x40;
                }
            });
            refused(&bytes, Corrupt, &["volume descriptor sequence", words]);
        }
    }
    let file_set = |at: usize| finished(Layout::Physical, |bytes| bytes[300 * BLOCK + at] ^= 0x40);
    refused(
        &file_set(4),
        Corrupt,
        &["file set descriptor", "tag_checksum"],
    );
    refused(
        &file_set(200),
        Corrupt,
        &["file set descriptor", "descriptor_crc"],
    );
    refused(
        &file_set(12),
        Corrupt,
        &["file set descriptor", "tag_location"],
    );
}

#[test]
fn i10_integrity_descriptors() {
    // One that leads to itself, tables past its end, and a revision from the future.
    let bytes = finished(Layout::Physical, |bytes| {
        patch(bytes, INTEGRITY, |block| {
            set(block, 32, &short(2048, INTEGRITY))
        });
    });
    is_whole(&bytes);
    for (at, value) in [(72, u32::MAX), (76, u32::MAX), (72, 0)] {
        let bytes = finished(Layout::Physical, |bytes| {
            patch(bytes, INTEGRITY, |block| {
                set(block, at, &u32::to_le_bytes(value))
            });
        });
        is_whole(&bytes);
    }
    let bytes = finished(Layout::Physical, |bytes| {
        patch(bytes, INTEGRITY, |block| set(block, 88 + 40, &[0, 9]));
    });
    refused(&bytes, Unsupported, &["minimum_udf_read_revision 0x0900"]);
}

/// One that is said to have more bytes than there are blocks: what lies behind it is none of it.
#[test]
fn i10_space_bitmaps() {
    const AT: u32 = 2000;
    // A bit for each block of the partition.
    let length = 4096_usize - 300 - 1;
    let bytes = finished(Layout::Physical, |bytes| {
        let mut body = [u32::MAX; 2].map(u32::to_le_bytes).concat();
        body.extend(vec![1; length.div_ceil(8)]);
        body.resize(BLOCK - 16, 0xff);
        set(bytes, (300 + AT as usize) * BLOCK, &tagged(264, AT, &body));
        patch_both(bytes, 1, |sector| set(sector, 64, &short(BLOCK as u32, AT)));
        // So that free blocks are counted.
        patch(bytes, INTEGRITY, |block| set(block, 80, &[0; 4]));
    });
    let scratch = Scratch::new();
    let image = scratch.join("bitmap.udf");
    std::fs::write(&image, &bytes).unwrap();
    let opened = library::open_with(&image, &service::Options::default());
    let filesystem = library::file_system(&opened);
    assert_eq!(filesystem.usage().free, length.div_ceil(8) as u64);
    // What is read of it counts.
    let request = Request {
        budget: Budget::new(0),
        ..Request::new(0)
    };
    let mut found = Vec::new();
    filesystem.verify(&request, &mut |error| found.push(error));
    let words = ["unallocated space bitmap", "work limit"];
    names(found.last().expect("no budget"), Corrupt, &words);
}

#[test]
fn i10_roots() {
    let root = |icb: Address| {
        let (builder, _) = tree::build(Layout::Physical);
        builder.finish(icb)
    };
    let (_, places) = tree::build(Layout::Physical);
    let words = "it is no directory, by its file_type 5";
    let error = refusal(&root(places.plain), Corrupt, &["root directory", words]);
    let (builder, _) = tree::build(Layout::Physical);
    let place = builder.places(places.plain)[0];
    assert_eq!(error.offset(), Some(place as u64));
    let none = Address {
        partition: 3,
        block: 0,
    };
    refused(
        &root(none),
        Corrupt,
        &["root directory", "partition_reference_number 3"],
    );
    let far = Address {
        partition: 0,
        block: u32::MAX,
    };
    refused(
        &root(far),
        Corrupt,
        &["root directory", "of a partition of"],
    );
}

/// Cut anywhere, it is refused, or what lies behind the cut fails, and what is read is right.
#[test]
fn i10_cut_short() {
    for (layout, refusals) in [
        (Layout::Physical, 1),
        (Layout::Virtual20, 23),
        (Layout::Metadata, 7),
        (Layout::Sparable, 18),
    ] {
        let good = whole(layout);
        let mut refused = 0;
        for part in 1..24 {
            let walk = walk(&good[..good.len() / 24 * part]);
            if let Some((error, _)) = &walk.refused {
                assert!(matches!(error.kind(), Corrupt | Unsupported), "{error}");
                refused += 1;
            }
            for (path, node) in &walk.nodes {
                let expected = &reference().nodes[path].content;
                match (&node.content, expected) {
                    (Seen::File(_, read, None), Seen::File(_, bytes, _)) => {
                        assert!(read == bytes, "{layout:?}: {path}");
                    }
                    (Seen::File(_, read, Some(_)), Seen::File(_, bytes, _)) => {
                        assert!(bytes.starts_with(read), "{layout:?}: {path}");
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(refused, refusals, "{layout:?}");
    }
}

/// What stands in for something else is no loss, and damage all the same.
#[test]
fn i10_check_names_damaged_copies() {
    let found = |bytes: &[u8]| {
        let scratch = Scratch::new();
        let image = scratch.join("damaged.udf");
        std::fs::write(&image, bytes).unwrap();
        let opened = library::open_with(&image, &service::Options::default());
        let mut found = Vec::new();
        let mut each = |error: Error| found.push(error.to_string());
        library::file_system(&opened).verify(&Request::new(0), &mut each);
        found
    };
    let wipe =
        |block: u32| move |bytes: &mut Vec<u8>| bytes[block as usize * BLOCK..][..BLOCK].fill(0xa5);
    for layout in [
        Layout::Physical,
        Layout::Sparable,
        Layout::Virtual20,
        Layout::Metadata,
    ] {
        assert_eq!(found(whole(layout)), [""; 0], "{layout:?}");
    }
    for (block, words) in [
        (256, "only one anchor"),
        (RESERVE, "reserve volume descriptor sequence"),
        (MAIN + 1, "main volume descriptor sequence"),
        (
            300 + MIRROR_ICB,
            "partition 1: one of metadata file and mirror",
        ),
    ] {
        let found = found(&finished(Layout::Metadata, wipe(block)));
        assert!(
            found.iter().any(|text| text.contains(words)),
            "{words}: {found:?}"
        );
    }
}
