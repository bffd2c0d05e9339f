//! The trees that ext4 can hold.

use super::ext::{file, image, link};
use super::{CASE, Case};

pub const CASES: &[Case] = &[
    Case {
        name: "a link to a directory outside, and then a directory of that name with a file",
        image: |place| {
            let made = |files: &_, outside: &_| {
                link(files, "aaaa", outside);
                file(files, "bbbb/victim");
            };
            image(place, made, "", &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["l aaaa -> /outside"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a directory with a file, and then a link of that name to a directory outside",
        image: |place| {
            let made = |files: &_, outside: &_| {
                file(files, "aaaa/victim");
                link(files, "bbbb", outside);
            };
            image(place, made, "", &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["d aaaa", "f aaaa/victim: victim"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a link to a file outside, and then a file of that name",
        image: |place| {
            let made = |files: &_, outside: &std::path::Path| {
                link(files, "aaaa", outside.join("victim"));
                file(files, "bbbb");
            };
            image(place, made, "", &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["l aaaa -> /outside/victim"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a relative link out, and then a directory of that name",
        image: |place| {
            let made = |files: &_, _: &_| {
                link(files, "aaaa", "../outside/folder");
                file(files, "bbbb/inner");
            };
            image(place, made, "", &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["l aaaa -> ../outside/folder"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "links to links that lead out",
        image: |place| {
            let made = |files: &_, outside: &_| {
                link(files, "a", "b");
                link(files, "b", "c/d");
                link(files, "c", outside);
                link(files, "self", "self");
            };
            image(place, made, "", &[])
        },
        inside: &[
            "l a -> b",
            "l b -> c/d",
            "l c -> /outside",
            "l self -> self",
        ],
        ..CASE
    },
    Case {
        name: "a link to DEST's own parent, and a directory of that name",
        image: |place| {
            let made = |files: &_, _: &_| {
                link(files, "aaaa", "..");
                file(files, "bbbb/outside/victim");
            };
            image(place, made, "", &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["l aaaa -> .."],
        archived: 4,
        ..CASE
    },
    Case {
        name: "two files of one name",
        image: |place| {
            let made = |files: &_, _: &_| {
                file(files, "aaaa");
                file(files, "bbbb");
            };
            image(place, made, "", &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["f aaaa: aaaa"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a file and a directory of one name",
        image: |place| {
            let made = |files: &_, _: &_| {
                file(files, "aaaa");
                file(files, "bbbb/in");
            };
            image(place, made, "", &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["f aaaa: aaaa"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a directory and a file of one name",
        image: |place| {
            let made = |files: &_, _: &_| {
                file(files, "bbbb/in");
                file(files, "aaaa");
            };
            image(place, made, "", &[(b"aaaa", b"bbbb")])
        },
        copied: 4,
        inside: &["f bbbb: aaaa"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "two directories of one name",
        image: |place| {
            let made = |files: &_, _: &_| {
                file(files, "aaaa/one");
                file(files, "bbbb/two");
            };
            image(place, made, "", &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["d aaaa", "f aaaa/one: one"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a second entry ..",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "aaaa/outside/victim");
            image(place, made, "", &[(b"aaaa", b"..")])
        },
        ..CASE
    },
    Case {
        name: "a second entry .",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "aaaa/victim");
            image(place, made, "", &[(b"aaaa", b".")])
        },
        ..CASE
    },
    Case {
        name: "a file called ../up",
        image: |place| {
            let made = |files: &_, _: &_| {
                file(files, "aaaaa");
                file(files, "good");
            };
            image(place, made, "", &[(b"aaaaa", b"../up")])
        },
        inside: &["f good: good"],
        ..CASE
    },
    Case {
        name: "a file called ../outside/victim",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "aaaaaaaaaaaaaaaaa");
            image(
                place,
                made,
                "",
                &[(b"aaaaaaaaaaaaaaaaa", b"../outside/victim")],
            )
        },
        ..CASE
    },
    Case {
        name: "a directory called ../outside",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "aaaaaaaaaa/victim");
            image(place, made, "", &[(b"aaaaaaaaaa", b"../outside")])
        },
        ..CASE
    },
    Case {
        name: "an absolute name",
        image: |place| {
            let made = |files: &_, _: &_| file(files, &"a".repeat(200));
            let target = place.outside.join("victim");
            let target = std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str());
            image(place, made, "", &[(&[b'a'; 200], target)])
        },
        ..CASE
    },
    Case {
        name: "a name with a slash within",
        image: |place| {
            let made = |files: &_, outside: &_| {
                link(files, "a", outside);
                file(files, "bbbbbbbb");
            };
            image(place, made, "", &[(b"bbbbbbbb", b"a/victim")])
        },
        inside: &["l a -> /outside"],
        ..CASE
    },
    Case {
        name: "names with NUL, and none",
        image: |place| {
            let made = |files: &_, _: &_| {
                file(files, "aaaa");
                file(files, "bbbb");
            };
            image(place, made, "", &[(b"aaaa", b"a\0aa"), (b"bbbb", b"")])
        },
        ..CASE
    },
    Case {
        name: "names of 255 bytes",
        image: |place| {
            let made = |files: &_, _: &_| file(files, &format!("{0}/{0}", "n".repeat(255)));
            image(place, made, "", &[])
        },
        inside: &["d nnnnnnnnnn… 255", "f nnnnnnnnnn… 511: 255 bytes"],
        ..CASE
    },
    Case {
        name: "a path longer than any system call takes, hard links in it",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "first");
            let name = "n".repeat(250);
            let mut script = String::new();
            for _ in 0..20 {
                script += &format!("mkdir {name}\ncd {name}\n");
            }
            script += "ln <12> second\nln <12> third\nsif <12> links_count 3\n";
            image(place, made, &script, &[])
        },
        inside: &[
            "d nnnnnnnnnn… 1003",
            "d nnnnnnnnnn… 1254",
            "d nnnnnnnnnn… 1505",
            "d nnnnnnnnnn… 1756",
            "d nnnnnnnnnn… 2007",
            "d nnnnnnnnnn… 2258",
            "d nnnnnnnnnn… 250",
            "d nnnnnnnnnn… 2509",
            "d nnnnnnnnnn… 2760",
            "d nnnnnnnnnn… 3011",
            "d nnnnnnnnnn… 3262",
            "d nnnnnnnnnn… 3513",
            "d nnnnnnnnnn… 3764",
            "d nnnnnnnnnn… 4015",
            "d nnnnnnnnnn… 501",
            "d nnnnnnnnnn… 752",
            "f first: first (3 names)",
        ],
        ..CASE
    },
    Case {
        name: "a second name for a directory",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "one/in");
            image(place, made, "ln one two\n", &[])
        },
        copied: 4,
        inside: &["d one", "d two", "f one/in: in"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a directory that holds itself, and one that holds the root",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "one/in");
            image(place, made, "ln one one/again\nln / one/up\n", &[])
        },
        copied: 4,
        inside: &[
            "d one",
            "d one/again",
            "d one/up",
            "d one/up/one",
            "f one/in: in",
        ],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a file of two names, the first of them below what becomes a link",
        image: |place| {
            let made = |files: &_, outside: &_| {
                file(files, "aaaa/victim");
                std::fs::hard_link(files_of(files, "aaaa/victim"), files_of(files, "z")).unwrap();
                link(files, "bbbb", outside);
            };
            image(place, made, "", &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &[
            "d aaaa",
            "f aaaa/victim: victim (2 names)",
            "f z: victim (2 names)",
        ],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a file with one link and two names",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "one");
            image(place, made, "ln one two\nsif one links_count 1\n", &[])
        },
        inside: &["f one: one", "f two: one"],
        ..CASE
    },
    Case {
        name: "a link of two names",
        image: |place| {
            let made = |files: &_, outside: &_| link(files, "one", outside);
            image(place, made, "ln one two\nsif one links_count 2\n", &[])
        },
        inside: &["l one -> /outside (2 names)", "l two -> /outside (2 names)"],
        ..CASE
    },
    Case {
        name: "device nodes",
        image: |place| image(place, |_, _| (), "mknod b b 7 0\nmknod c c 1 3\n", &[]),
        ..CASE
    },
    Case {
        name: "device nodes that are wanted",
        image: |place| image(place, |_, _| (), "mknod b b 7 0\nmknod c c 1 3\n", &[]),
        options: "--preserve=all",
        inside: &["b b", "c c"],
        ..CASE
    },
    Case {
        name: "a device node, and then a file of that name",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "bbbb");
            image(place, made, "mknod aaaa c 1 3\n", &[(b"bbbb", b"aaaa")])
        },
        options: "--preserve=all",
        copied: 4,
        inside: &["f aaaa: bbbb"],
        archived: 4,
    },
    Case {
        name: "a whiteout and an opaque directory",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "d/in");
            let script = "mknod gone c 0 0\nea_set d trusted.overlay.opaque y\n";
            image(place, made, script, &[])
        },
        options: "--preserve=all",
        inside: &["c gone", "d d", "f d/in: in"],
        ..CASE
    },
    Case {
        name: "a pipe, a file of its name, and a socket",
        image: |place| {
            let made = |files: &_, _: &_| {
                file(files, "bbbb");
                file(files, "sock");
            };
            let script = "mknod aaaa p\nsif sock mode 0140644\n";
            image(place, made, script, &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["f aaaa: bbbb", "s sock"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "a set-uid program with a capability, two names, and a set-gid directory",
        image: |place| {
            let made = |files: &_, _: &_| {
                file(files, "suid");
                file(files, "d/in");
            };
            let script = "sif suid mode 0106755\nsif suid uid 0\nln suid zwei\n\
                          sif suid links_count 2\nsif d mode 042755\n\
                          ea_set suid security.capability \\001\\000\\000\\002\\000\\000\\040\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\n";
            image(place, made, script, &[])
        },
        inside: &[
            "d d 2000",
            "f d/in: in",
            "f suid: suid (2 names)",
            "f zwei: suid (2 names)",
        ],
        ..CASE
    },
    Case {
        name: "a link with an owner, a time and attributes of its own",
        image: |place| {
            let made = |files: &_, outside: &std::path::Path| {
                link(files, "l", outside.join("victim"));
            };
            let script = "sif l uid 12345\nsif l mode 0120777\nsif l mtime 19991231\n\
                          ea_set l trusted.x y\nea_set l user.x y\n";
            image(place, made, script, &[])
        },
        options: "--preserve=all",
        copied: 4,
        inside: &["l l -> /outside/victim"],
        ..CASE
    },
    Case {
        name: "links that nobody can follow",
        image: |place| {
            let made = |files: &_, _: &_| {
                link(files, "long", "x/".repeat(500));
                link(files, "proc", "/proc/self/fd/1");
                link(files, "up", "../".repeat(300));
            };
            image(place, made, "", &[])
        },
        inside: &[
            "l long -> x/x/x/x/x/… 1000",
            "l proc -> /proc/self/fd/1",
            "l up -> ../../../.… 900",
        ],
        ..CASE
    },
    Case {
        name: "a terabyte of nothing",
        image: |place| {
            let made = |files: &_, _: &_| file(files, "huge");
            image(place, made, "sif huge size 1099511627776\n", &[])
        },
        inside: &["f huge: 1099511627776 bytes"],
        ..CASE
    },
    Case {
        name: "a file that becomes a directory where its type is told",
        image: |place| {
            let made = |files: &_, _: &_| {
                file(files, "f");
                file(files, "d/in");
            };
            image(place, made, "sif f mode 040755\nsif d mode 0100644\n", &[])
        },
        inside: &["d f", "f d: 1024 bytes"],
        ..CASE
    },
];

fn files_of(files: &std::path::Path, name: &str) -> std::path::PathBuf {
    files.join(name)
}
