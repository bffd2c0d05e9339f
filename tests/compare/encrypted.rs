//! Encrypted directories, as the kernel shows them to who has no key: names encoded, contents
//! refused.

use imgmount::error::Kind;
use imgmount::service::open::Options;

use crate::support::command::Run;
use crate::support::images::{self, Scratch};
use crate::support::kernel::Mounted;
use crate::support::record::Comparison;
use crate::support::{library, walk};

#[test]
fn without_the_key_names_are_encoded_and_contents_refused() {
    need!(loop, kernel "ext4", tool "mke2fs", tool "python3");
    for (mke2fs, padding) in [("-b 4096", "3"), ("-b 1024", "0"), ("-b 1024 -I 128", "1")] {
        let scratch = Scratch::new();
        let image = scratch.file("image", 64 << 20);
        let make = Run::new("mke2fs").words("-q -F -t ext4 -O encrypt");
        make.words(mke2fs).arg(&image).run();
        let mounted = Mounted::new(&image, "ext4", "rw", &scratch.join("written"));
        std::fs::write(mounted.path().join("plain"), b"plain").unwrap();
        Run::new("python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/compare/encrypt.py"
            ))
            .arg(mounted.path())
            .arg(mounted.path().join("locked"))
            .arg(padding)
            .run();
        mounted.unmount();
        let copy = scratch.join("copy");
        images::copy(&image, &copy);
        let mounted = Mounted::recovered(&copy, &scratch.join("expected"));
        let expected = walk::mounted(mounted.path());
        let opened = library::open_with(&image, &Options::default());
        let filesystem = library::file_system(&opened);
        let found = library::walk(&*filesystem);
        let comparison = Comparison {
            expected: &expected,
            referee: "Linux",
            found: &found,
            // Of a file that it does not open the kernel gives neither.
            without: &["content", "map", "flags"],
        };
        let files = comparison.check(mke2fs);
        assert!(files > 300, "only {files} files");
        assert!(
            expected
                .keys()
                .all(|path| !path.starts_with(b"locked/link"))
        );
        let mut refused = 0;
        for (path, record) in &found {
            let by_kernel = &expected[path].content;
            match (by_kernel, &record.content) {
                (Some(Err(_)), Some(Err(_))) => refused += 1,
                (by_kernel, by_us) => assert_eq!(by_kernel, by_us, "{path:?}"),
            }
        }
        assert!(refused > 300, "only {refused} files refused");
        let locked = found
            .iter()
            .find(|(_, record)| matches!(record.content, Some(Err(_))));
        let inode = library::find(&*filesystem, locked.unwrap().0);
        let error = filesystem
            .read(&library::request(), inode, &mut [0; 10], 0)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Locked, "{error}");
    }
}
