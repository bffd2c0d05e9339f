//! What a log can hold besides plain copies.

use super::{compare, dirty, logdump, sh};

#[test]
fn escaped_blocks() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    for (arguments, from) in [
        ("-t ext4", 1),
        ("-t ext3 -b 4096", 1),
        ("-t ext4 -b 2048", 2),
    ] {
        let work = |at: &std::path::Path| {
            sh(
                at,
                "for n in $(seq 20); do printf '\\300\\073\\071\\230%s' $n >magic$n; sync magic$n; done
                 for n in $(seq 30); do printf '\\300\\073\\071\\230'; head -c 4092 /dev/urandom; done >many; sync many",
            );
        };
        let dirty = dirty(64 << 20, arguments, "noatime,data=journal", work);
        let dump = logdump(&dirty.image);
        let flags = dump
            .lines()
            .filter_map(|line| line.rsplit_once("(flags 0x"));
        let flags = flags.map(|(_, flags)| u32::from_str_radix(flags.trim_end_matches(')'), 16));
        let escaped = flags
            .filter(|flags| flags.as_ref().unwrap() & 1 != 0)
            .count();
        assert!(escaped > 20 * from, "{escaped} escaped blocks");
        let found = compare(&dirty, &[]);
        assert_eq!(found[&b"many"[..]].size, 30 * 4096);
    }
}

#[test]
fn revoked_blocks() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    for arguments in ["-t ext4", "-t ext4 -O ^64bit,^metadata_csum", "-t ext3"] {
        // Blocks of directories, freed and given to files whose data is not in the log.
        let work = |at: &std::path::Path| {
            sh(
                at,
                "for d in 1 2 3 4; do mkdir d$d; for n in $(seq 300); do : >d$d/a-name-of-some-length-$n; done; sync d$d; done
                 rm -r d1 d2; sync .; for n in $(seq 40); do dd if=/dev/urandom of=f$n bs=10k count=3 conv=fsync status=none; done
                 rm -r d3; mkdir e; for n in $(seq 100); do : >e/name$n; done; sync e",
            );
        };
        let dirty = dirty(16 << 20, arguments, "noatime", work);
        let dump = logdump(&dirty.image);
        let revoked = dump
            .lines()
            .filter(|line| line.contains("Revoke FS block"))
            .count();
        assert!(revoked > 20, "{arguments}: {revoked} records");
        compare(&dirty, &[]);
    }
}

#[test]
fn a_log_that_wraps_round() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    for (arguments, rounds) in [
        ("-t ext4 -J size=1", 180),
        ("-t ext3 -J size=1", 180),
        ("-t ext4 -J size=1 -O ^metadata_csum", 180),
    ] {
        let work = |at: &std::path::Path| {
            let script =
                format!("for n in $(seq {rounds}); do echo $n >f$n; mkdir d$n; sync f$n d$n; done");
            sh(at, &script);
        };
        let dirty = dirty(32 << 20, arguments, "noatime", work);
        let dump = logdump(&dirty.image);
        let found = dump
            .lines()
            .filter(|line| line.starts_with("Found expected sequence"));
        let number = |line: &str| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap();
        let places: Vec<u32> = found.map(number).collect();
        assert!(
            places.windows(2).any(|pair| pair[0] > pair[1]),
            "{arguments}: {places:?}"
        );
        compare(&dirty, &[]);
    }
}
