//! Partition maps, and the tables and files that find blocks.

use super::*;

#[test]
fn i10_partition_maps() {
    let with =
        |change: fn(&mut [u8])| finished(Layout::Metadata, |bytes| patch_both(bytes, 2, change));
    // The second map, behind that of six bytes.
    let unknown = with(|sector| set(sector, 446 + 5, b"*UDF Something Else   "));
    refused(
        &unknown,
        Unsupported,
        &["partition map of type", "*UDF Something Else"],
    );
    refused(
        &with(|sector| sector[446] = 3),
        Unsupported,
        &["partition map type 3"],
    );
    refused(
        &with(|sector| sector[447] = 0),
        Corrupt,
        &["length 0 of partition map 1"],
    );
    refused(
        &with(|sector| sector[447] = 255),
        Corrupt,
        &["length 255 of partition map 1"],
    );
    for count in [0, 65, u32::MAX] {
        let bytes = finished(Layout::Metadata, |bytes| {
            patch_both(bytes, 2, |sector| set(sector, 268, &count.to_le_bytes()));
        });
        let named = format!("number_of_partition_maps {count}");
        refused(&bytes, Corrupt, &[&named]);
    }
    let long = with(|sector| set(sector, 264, &u32::MAX.to_le_bytes()));
    refused(&long, Corrupt, &["map_table_length 4294967295"]);
    let other = with(|sector| set(sector, 444, &[7, 0]));
    refused(&other, Corrupt, &["no descriptor of partition 7"]);
    let size = with(|sector| set(sector, 212, &512_u32.to_le_bytes()));
    refused(&size, Corrupt, &["logical_block_size 512"]);
}

#[test]
fn i10_sparing_tables() {
    let wiped = finished(Layout::Sparable, |bytes| {
        bytes[SPARING_TABLE as usize * BLOCK..][..BLOCK].fill(0);
    });
    refused(&wiped, Corrupt, &["sparing table"]);
    for (at, value, words) in [(48, 0xffff, "descriptor_crc"), (12, 1, "tag_location")] {
        let bytes = finished(Layout::Sparable, |bytes| {
            let sector = SPARING_TABLE as usize * BLOCK;
            set(bytes, sector + at, &(value as u32).to_le_bytes());
        });
        refused(&bytes, Corrupt, &["sparing table", words]);
    }
    // A table of 65,535 entries, of which most are file contents or past the end of the image.
    let long = finished(Layout::Sparable, |bytes| {
        patch(bytes, SPARING_TABLE, |table| set(table, 48, &[0xff, 0xff]));
    });
    let words = [
        "file set descriptor",
        "partition 0 block 0: descriptor_version 0",
    ];
    // Of the entries that were zeros the last says that block 0 was moved to itself.
    assert_eq!(refusal(&long, Corrupt, &words).offset(), Some(0));
    // A spare packet that is itself moved, and one past the end.
    for moved in [100, u32::MAX] {
        let bytes = finished(Layout::Sparable, |bytes| {
            patch(bytes, SPARING_TABLE, |table| {
                set(table, 60, &u32::to_le_bytes(moved))
            });
        });
        let error = refusal(&bytes, Corrupt, &["file set descriptor"]);
        assert_eq!(error.offset(), Some(u64::from(moved) * BLOCK as u64));
    }
    let packet = finished(Layout::Sparable, |bytes| {
        patch_both(bytes, 2, |sector| set(sector, 440 + 40, &[0, 0]));
    });
    refused(&packet, Corrupt, &["packet_length"]);
}

#[test]
fn i10_metadata_partitions_by_themselves() {
    // Both files lie in the partition that they make.
    let bytes = whole(Layout::Metadata).to_vec().tap(|bytes| {
        for block in [METADATA_ICB, MIRROR_ICB] {
            patch(bytes, 300 + block, |block| {
                set(block, 34, &[1, 0]);
                let itself = long(
                    40 * BLOCK as u32,
                    Address {
                        partition: 1,
                        block: 0,
                    },
                );
                set(block, 216, &itself);
                set(block, 212, &16_u32.to_le_bytes());
            });
        }
    });
    refused(&bytes, Corrupt, &["of a file that finds partitions"]);
    let types = whole(Layout::Metadata).to_vec().tap(|bytes| {
        for block in [METADATA_ICB, MIRROR_ICB] {
            patch(bytes, 300 + block, |block| block[27] = 5);
        }
    });
    refused(
        &types,
        Corrupt,
        &["metadata file", "file_type 5 is not 250"],
    );
    let sequence = |partition: u16| {
        finished(Layout::Metadata, |bytes| {
            // The map of the physical partition says that it is another's.
            patch_both(bytes, 2, |sector| {
                set(sector, 446 + 38, &partition.to_le_bytes())
            });
        })
    };
    refused(&sequence(9), Corrupt, &["no descriptor of partition 9"]);
}

#[test]
fn i10_virtual_allocation_tables() {
    // Where there is none, the map that wants it is to blame.
    let none = |bytes: &[u8]| {
        let words = ["partition 1: no virtual allocation table"];
        let error = refusal(bytes, Corrupt, &words);
        let logical = (MAIN as usize + 2) * BLOCK;
        assert_eq!(error.offset(), Some(logical as u64), "{error}");
    };
    for layout in [Layout::Virtual15, Layout::Virtual20] {
        let good = whole(layout).to_vec();
        let last = (good.len() / BLOCK - 1) as u32;
        // Its extents lie in the partition that it makes.
        let itself = good.clone().tap(|bytes| {
            patch(bytes, last, |block| {
                set(block, 34, &[1, 0]);
                let itself = long(
                    4096,
                    Address {
                        partition: 1,
                        block: 0,
                    },
                );
                set(block, 216, &itself);
                set(block, 212, &16_u32.to_le_bytes());
            });
        });
        match layout {
            // Nothing but its last bytes says what it is.
            Layout::Virtual15 => none(&itself),
            _ => refused(&itself, Corrupt, &["of a file that finds partitions"]),
        }
        let gone = good
            .clone()
            .tap(|bytes| bytes.truncate(bytes.len() - BLOCK));
        none(&gone);
        // No entry, one that is not in use, and one that leads back into the table's own partition.
        let short = good.clone().tap(|bytes| {
            patch(bytes, last, |block| set(block, 56, &156_u64.to_le_bytes()));
        });
        match layout {
            Layout::Virtual15 => none(&short),
            _ => {
                let words = ["root directory", "virtual block 1 of a table of 1 entries"];
                // Asked for by the file set descriptor, the first thing in the partition.
                let error = refusal(&short, Corrupt, &words);
                assert_eq!(error.offset(), Some((300 + 100) * BLOCK as u64));
            }
        }
    }
    let unused = changed(Layout::Virtual20, |builder, places| {
        builder.table[places.plain.block as usize] = u32::MAX;
    });
    let damage = walk(&unused);
    let damage = error(&damage.nodes["plain"]);
    names(damage, Corrupt, &["is not in use"]);
    is_of_the_change(&unused, damage);
    let far = changed(Layout::Virtual20, |builder, places| {
        builder.table[places.plain.block as usize] = 1 << 30;
    });
    let damage = walk(&far);
    let damage = error(&damage.nodes["plain"]);
    names(damage, Corrupt, &["past the end"]);
    is_of_the_change(&far, damage);
}
