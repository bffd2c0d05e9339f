//! File entries, allocation, links, streams.

use imgmount::source::ExtentKind;

use super::*;
use crate::hostile::opened::{is_spent, opened, request};

#[test]
fn i10_tags_of_a_file() {
    for (at, words) in [
        (4, "tag_checksum"),
        (60, "descriptor_crc"),
        (12, "tag_location"),
        (2, "descriptor_version"),
        (10, "descriptor_crc"),
    ] {
        let change = |builder: &mut Builder, places: &Places| {
            let place = builder.places(places.plain)[0];
            builder.bytes[place + at] ^= 0x40;
        };
        let bytes = changed(Layout::Physical, change);
        let walk = walk(&bytes);
        let error = walk.nodes["plain"].error().expect("it is damaged");
        assert!(error.to_string().contains(words) || at == 10, "{error}");
        assert!(walk.nodes["embedded"].error().is_none());
        let options = Options {
            ignore_checksums: true,
            ..Options::default()
        };
        let walk = walk_with(&bytes, &options);
        let is_sum = matches!(at, 4 | 60 | 10);
        assert_eq!(walk.nodes["plain"].error().is_none(), is_sum, "{at}");
    }
    let other = |builder: &mut Builder, places: &Places| {
        builder.patch(places.embedded, |block| set(block, 0, &[8, 1]));
    };
    fails_only(
        other,
        &["embedded", "folder/linked"],
        &["tag_identifier 264"],
    );
}

#[test]
fn i10_allocation_extents_in_a_loop() {
    let more = |at| long(CONTINUED | BLOCK as u32, at);
    let own = |builder: &mut Builder, places: &Places| {
        let [first, _] = places.extents;
        builder.put_allocation_extent(first, &more(first));
    };
    let first = |builder: &Builder, places: &Places| builder.places(places.extents[0])[0];
    fails_at(own, "chain", &["comes back"], first);
    let both = |builder: &mut Builder, places: &Places| {
        let [first, second] = places.extents;
        builder.put_allocation_extent(second, &more(first));
    };
    fails_at(both, "chain", &["comes back"], first);
}

#[test]
fn i10_allocation_extents_that_are_none() {
    let other = |builder: &mut Builder, places: &Places| {
        builder.patch(places.extents[1], |block| set(block, 0, &[5, 1]));
    };
    fails(
        other,
        "chain",
        &["tag_identifier 261 is no allocation extent"],
    );
    for length in [BLOCK as u32, 0x3fff_ffff, u32::MAX] {
        let past = |builder: &mut Builder, places: &Places| {
            builder.patch(places.extents[0], |block| {
                set(block, 20, &length.to_le_bytes())
            });
        };
        let named = format!("length_of_allocation_descriptors {length}");
        fails(past, "chain", &[&named]);
    }
}

#[test]
fn i10_what_lies_before_a_broken_chain_is_read() {
    let bytes = changed(Layout::Physical, |builder, places| {
        builder.patch(places.extents[1], |block| block[0] = 9);
    });
    let scratch = Scratch::new();
    let image = scratch.join("broken.udf");
    std::fs::write(&image, &bytes).unwrap();
    let opened = library::open_with(&image, &service::Options::default());
    let filesystem = library::file_system(&opened);
    let file = library::find(&*filesystem, b"chain");
    let good = tree::pattern(40 * BLOCK, 3);
    for (index, expected) in good.chunks(BLOCK).enumerate() {
        let mut block = [0; BLOCK];
        let read = filesystem.read(&Request::new(0), file, &mut block, (index * BLOCK) as u64);
        match index < 30 {
            true => assert!(read == Ok(BLOCK) && block == expected, "block {index}"),
            false => assert!(read.is_err(), "block {index}"),
        }
    }
}

#[test]
fn i10_extents_past_the_end() {
    let with = |length: u32, at: Address, size: usize| {
        move |builder: &mut Builder, places: &Places| {
            builder.entry(places.chain, &Entry::with(1, size, long(length, at)));
        }
    };
    let far = |block| Address {
        partition: 0,
        block,
    };
    fails(with(2048, far(u32::MAX), 2048), "chain", &["past the end"]);
    fails(with(8192, far(u32::MAX), 8192), "chain", &["past the end"]);
    fails(with(2048, far(1 << 20), 2048), "chain", &["past the end"]);
    fails(
        with(
            2048,
            Address {
                partition: 5,
                block: 0,
            },
            2048,
        ),
        "chain",
        &["partition_reference_number 5 of 1"],
    );
    // An extent of almost 1 GiB, of which only the start is in the image.
    let long = with(0x3fff_ffff, far(200), 0x3fff_ffff);
    let bytes = changed(Layout::Physical, long);
    let walk = walk(&bytes);
    let damage = error(&walk.nodes["chain"]);
    names(damage, Corrupt, &["past the end"]);
    is_of_the_change(&bytes, damage);
    rest_as_before(&walk, "chain");
}

/// Extents of single bytes would cost a walk through the list for each; and no two readers agree on
/// what is in them.
#[test]
fn i10_extents_that_end_within_a_block() {
    let block = BLOCK as u32;
    let words = |start: u32| format!("byte {start} of the file begins an extent, and no block");
    for (first, second) in [(1, block), (block - 1, block), (block + 1, block)] {
        let change = |builder: &mut Builder, places: &Places| {
            let data = builder.data(&[7; 2 * BLOCK]);
            let own = [long(first, data), long(second, data)].concat();
            builder.entry(
                places.chain,
                &Entry::with(1, (first + second) as usize, own),
            );
        };
        fails(change, "chain", &[&words(first)]);
        // The same in an allocation extent.
        let change = |builder: &mut Builder, places: &Places| {
            let data = builder.data(&[7; 2 * BLOCK]);
            let list = [long(first, data), long(second, data)].concat();
            builder.put_allocation_extent(places.extents[0], &list);
            let more = long(CONTINUED | block, places.extents[0]);
            let own = [long(block, data), more].concat();
            let size = (block + first + second) as usize;
            builder.entry(places.chain, &Entry::with(1, size, own));
        };
        fails(change, "chain", &[&words(block + first)]);
    }
    // The last may end anywhere, and room may be set aside behind it.
    let bytes = changed(Layout::Physical, |builder, places| {
        let data = builder.data(&[7; 2 * BLOCK]);
        let own = [
            long(block, data),
            long(5, data),
            long(1 << 30 | block, data),
        ]
        .concat();
        builder.entry(places.chain, &Entry::with(1, BLOCK + 5, own));
    });
    let walk = walk(&bytes);
    let Seen::File(_, content, None) = &walk.nodes["chain"].content else {
        panic!("{:?}", walk.nodes["chain"].error());
    };
    assert_eq!(content, &[7; BLOCK + 5]);
    rest_as_before(&walk, "chain");
}

/// Linux appends to a file behind the end of its last extent, up to the end of that block, and
/// leaves the length of the extent as it is. Blocks behind it are a hole.
#[test]
fn i10_the_last_extent_has_its_whole_block() {
    for size in [BLOCK + 6, 2 * BLOCK, 3 * BLOCK] {
        let bytes = changed(Layout::Physical, |builder, places| {
            let data = builder.data(&[7; 3 * BLOCK]);
            let own = long(BLOCK as u32 + 5, data);
            builder.entry(places.chain, &Entry::with(1, size, own));
        });
        let walk = walk(&bytes);
        let Seen::File(map, content, None) = &walk.nodes["chain"].content else {
            panic!("{:?}", walk.nodes["chain"].error());
        };
        let recorded = size.min(2 * BLOCK);
        assert!(content[..recorded].iter().all(|byte| *byte == 7), "{size}");
        assert!(content[recorded..].iter().all(|byte| *byte == 0), "{size}");
        assert_eq!(content.len(), size);
        let data = (0, ExtentKind::Data, recorded as u64);
        assert_eq!(map.first(), Some(&data));
        rest_as_before(&walk, "chain");
    }
}

#[test]
fn i10_lengths_that_leave_an_entry() {
    for (at, named) in [
        (208, "bytes of attributes"),
        (212, "of allocation descriptors"),
    ] {
        for length in [BLOCK as u32, u32::MAX] {
            let change = |builder: &mut Builder, places: &Places| {
                builder.patch(places.chain, |block| set(block, at, &length.to_le_bytes()));
            };
            fails(change, "chain", &[named, &length.to_string()]);
        }
    }
    for size in [1 << 20, 1 << 62, u64::MAX] {
        let change = |builder: &mut Builder, places: &Places| {
            let mut entry = Entry::embedded(b"short");
            entry.size = size;
            builder.entry(places.chain, &entry);
        };
        fails(change, "chain", &["information_length", "of 5 bytes"]);
    }
    let kind = |builder: &mut Builder, places: &Places| {
        builder.entry(
            places.chain,
            &Entry {
                flags: 4,
                ..Entry::embedded(b"")
            },
        );
    };
    fails(kind, "chain", &["descriptors of type 4"]);
}

/// A file of 2^64 - 1 bytes is nearly all hole, and not read to its end.
#[test]
fn i10_the_largest_size() {
    let bytes = changed(Layout::Physical, |builder, places| {
        let mut entry = Entry::with(1, 0, Vec::new());
        entry.size = u64::MAX;
        builder.entry(places.chain, &entry);
    });
    let walk = walk(&bytes);
    assert_eq!(
        walk.nodes["chain"].attributes.as_ref().unwrap().size,
        u64::MAX
    );
    rest_as_before(&walk, "chain");
}

#[test]
fn i10_strategies() {
    let change = |builder: &mut Builder, places: &Places| {
        builder.entry(
            places.chain,
            &Entry {
                strategy: 3,
                ..Entry::embedded(b"")
            },
        );
    };
    let bytes = changed(Layout::Physical, change);
    let walk = walk(&bytes);
    let damage = error(&walk.nodes["chain"]);
    names(damage, Unsupported, &["ICB strategy 3"]);
    is_of_the_change(&bytes, damage);
    rest_as_before(&walk, "chain");
    // The entry that was written instead is the same again.
    let itself = |builder: &mut Builder, places: &Places| {
        let at = places.rewritten;
        let next = Address {
            block: at.block + 1,
            ..at
        };
        let body = [vec![0; 20], long(2 * BLOCK as u32, at)].concat();
        builder.put(next, &tagged(259, next.block, &body));
    };
    let words = "over 1024 rewritten entries follow each other";
    fails_at(itself, "rewritten", &[words], |builder, places| {
        builder.places(places.rewritten)[0]
    });
}

/// Descriptors cost what their CRC takes; and where a request has no steps for the newest version of
/// a file, it has not an older one instead.
#[test]
fn i10_rewritten_entries_cost_what_their_sums_take() {
    let looped = changed(Layout::Physical, |builder, places| {
        let at = places.rewritten;
        let next = Address {
            block: at.block + 1,
            ..at
        };
        let body = [vec![0; 20], long(2 * BLOCK as u32, at)].concat();
        builder.put(next, &tagged(259, next.block, &body));
        builder.patch(at, |block| {
            set(block, 10, &(BLOCK as u16 - 16).to_le_bytes())
        });
    });
    let filesystem = opened("udf", &looped);
    let file = library::find(&*filesystem, b"rewritten");
    is_spent(&filesystem.attributes(&request(20_000), file).unwrap_err());
    let error = filesystem.attributes(&Request::new(0), file).unwrap_err();
    names(&error, Corrupt, &["over 1024 rewritten entries"]);
    let filesystem = opened("udf", whole(Layout::Physical));
    let file = library::find(&*filesystem, b"rewritten");
    let read = |steps| {
        let mut bytes = [0; 18];
        let read = filesystem.read(&request(steps), file, &mut bytes, 0);
        read.map(|_| bytes)
    };
    for steps in 0..200 {
        match read(steps) {
            Ok(bytes) => assert_eq!(&bytes, b"the third version\n", "{steps}"),
            Err(error) => is_spent(&error),
        }
    }
    assert!(read(200).is_ok());
}

/// The list of extents that a request found whose steps were spent is not kept for others.
#[test]
fn i10_where_a_request_ends_a_list_of_extents_does_not() {
    for steps in 0..200 {
        let filesystem = opened("udf", whole(Layout::Physical));
        let file = library::find(&*filesystem, b"chain");
        let last = 39 * BLOCK as u64;
        let mut bytes = [0; BLOCK];
        if let Err(error) = filesystem.read(&request(steps), file, &mut bytes, last) {
            is_spent(&error);
        }
        let read = filesystem.read(&Request::new(0), file, &mut bytes, last);
        assert_eq!(read, Ok(BLOCK), "{steps}");
    }
}

/// What lies at each byte of a file in 10,000 extents, of which each is found by a look through a
/// part of the list: what is alike is found at once, and what is not costs whoever asks.
#[test]
fn i10_fragments_are_gone_over_part_by_part() {
    const PARTS: u32 = 50;
    let end = |other: u32| {
        let bytes = changed(Layout::Physical, |builder, places| {
            let data = builder.data(&[7; BLOCK]).block;
            let extents = [0, other].map(|state| short(state | BLOCK as u32, data));
            let list = extents.concat().repeat(100);
            let first = builder.physical(PARTS).block;
            let more = |part: u32| short(CONTINUED | BLOCK as u32, first + part);
            for part in 0..PARTS {
                let at = Address {
                    partition: 0,
                    block: first + part,
                };
                let last = if part + 1 == PARTS { 0 } else { 8 };
                let list = [&list[..], &more(part + 1)[..last]].concat();
                builder.put_allocation_extent(at, &list);
            }
            let size = PARTS as usize * 200 * BLOCK;
            builder.entry(places.chain, &Entry::with(0, size, more(0)));
        });
        let filesystem = opened("udf", &bytes);
        let file = library::find(&*filesystem, b"chain");
        let size = filesystem.attributes(&Request::new(0), file).unwrap().size;
        let (request, mut at, mut extents) = (request(30_000), 0, 0);
        while at < size {
            at += filesystem.extent_at(&request, file, at)?.len.get();
            extents += 1;
        }
        Ok(extents)
    };
    assert_eq!(end(0), Ok(PARTS));
    is_spent(&end(1 << 30).unwrap_err());
}

#[test]
fn i10_devices_links_and_types() {
    let change = |builder: &mut Builder, places: &Places| {
        builder.entry(
            places.device,
            &Entry {
                file_type: 6,
                ..Entry::embedded(b"")
            },
        );
    };
    fails(change, "block", &["without a device specification"]);
    for (components, words) in [
        (&[5, 200, 0, 0, 8][..], "length_of_component_identifier 200"),
        (&[5, 0, 0][..], "path component"),
        (&[][..], "leads nowhere"),
    ] {
        let change = |builder: &mut Builder, places: &Places| {
            let entry = Entry::embedded(components);
            builder.entry(
                places.link,
                &Entry {
                    file_type: 12,
                    ..entry
                },
            );
        };
        fails(change, "link", &["symbolic link", words]);
    }
    let long = |builder: &mut Builder, places: &Places| {
        let mut entry = Entry::with(1, 0, Vec::new());
        entry.size = 1 << 60;
        builder.entry(
            places.link,
            &Entry {
                file_type: 12,
                ..entry
            },
        );
    };
    fails(long, "link", &["bytes of path components"]);
    let change = |builder: &mut Builder, places: &Places| {
        builder.entry(
            places.chain,
            &Entry {
                file_type: 99,
                ..Entry::embedded(b"")
            },
        );
    };
    let bytes = changed(Layout::Physical, change);
    let walk = walk(&bytes);
    let damage = error(&walk.nodes["chain"]);
    names(damage, Unsupported, &["file_type 99"]);
    is_of_the_change(&bytes, damage);
    rest_as_before(&walk, "chain");
}

#[test]
fn i10_stream_directories() {
    let file = |builder: &mut Builder, places: &Places| {
        builder.entry(places.streams, &Entry::embedded(b"no directory"));
    };
    fails_only(
        file,
        &["embedded", "folder/linked"],
        &["no stream directory"],
    );
    // A stream that is the stream directory itself is not entered: it is a value.
    let itself = changed(Layout::Physical, |builder, places| {
        let content = identifier(places.streams.block, 0, &name("itself"), places.streams);
        let entry = Entry::embedded(&content);
        builder.entry(
            places.streams,
            &Entry {
                file_type: 13,
                ..entry
            },
        );
    });
    assert!(walk(&itself).nodes["embedded"].error().is_none());
}
