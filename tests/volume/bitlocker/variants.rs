//! What no Windows at hand makes: every method, both generations, and conversions part of the way.

use std::sync::Arc;

use imgmount::error::Kind;
use imgmount::source::{Memory, read_vec};

use super::collected::unlocked;
use super::made::{Made, SIZE, external};
use super::on_write::OnWrite;
use super::{context, look};

/// Compares what is unlocked, without a key, with what was written.
pub fn check(made: &Made, what: &str) {
    let context = context(&[]);
    let stack = look(Arc::new(Memory(made.disk())), &context);
    let source = unlocked(&stack).unwrap_or_else(|error| panic!("{what}: {error}"));
    let plain = made.plain();
    let found = read_vec(&*source, 0, plain.len()).unwrap();
    let wrong = plain
        .iter()
        .zip(&found)
        .position(|(one, other)| one != other);
    assert_eq!((wrong, found.len()), (None, plain.len()), "{what}");
    assert_eq!(context.notices.all(), [""; 0], "{what}");
}

/// Every method, generation and size of a sector, by name.
pub fn variants() -> Vec<(String, Made)> {
    let mut all = Vec::new();
    for method in 0x8000..=0x8005 {
        for sector in [512, 4096] {
            for kind in ["vista", "seven", "to-go"] {
                let made = Made {
                    vista: kind == "vista",
                    to_go: kind == "to-go",
                    method,
                    sector,
                    // Vista says nothing while all is encrypted.
                    state: (4, if kind == "vista" { 0 } else { SIZE as u64 }, 0),
                    ..Made::default()
                };
                all.push((format!("{kind}-{method:x}-{sector}"), made));
            }
        }
    }
    all
}

/// Conversions part of the way, by name.
pub fn parts() -> Vec<(String, Made)> {
    let states = [
        // Paused behind the first sectors' place, before it, and between two copies.
        ("paused", false, (5, 0x20000, 0)),
        ("early", false, (5, 0x10000, 0)),
        ("late", false, (5, 0x30000, 0)),
        ("switching", false, (2, 0x20000, 0)),
        // As Windows 7 leaves it.
        ("seven-paused", false, (3, 0x20000, 0)),
        ("vista-paused", true, (3, 0x20000, 0)),
        ("vista-switching", true, (5, 0x30000, 0)),
        ("longer", false, (4, SIZE as u64 - 512, 0)),
    ];
    let part = |(name, vista, state): (&str, bool, (u16, u64, u32))| {
        let made = Made {
            vista,
            state,
            ..Made::default()
        };
        (name.to_owned(), made)
    };
    let nothing = OnWrite {
        encrypted: [false; 4],
        ..OnWrite::default()
    };
    let decrypted = [None, Some(nothing)].map(|on_write| {
        let name = format!("decrypted-{}", on_write.is_some());
        let made = Made {
            on_write,
            state: (1, 0, 0),
            ..Made::default()
        };
        (name, made)
    });
    states.into_iter().map(part).chain(decrypted).collect()
}

#[test]
fn every_method_of_every_generation_is_unlocked() {
    for (name, made) in variants() {
        check(&made, &name);
    }
}

#[test]
fn what_is_not_encrypted_yet_is_read_as_it_is() {
    for (name, made) in parts() {
        check(&made, &name);
    }
}

#[test]
fn a_volume_that_was_decrypted_wants_no_key() {
    let made = Made {
        state: (1, 0, 0),
        protectors: vec![external(0x0200)],
        ..Made::default()
    };
    check(&made, "decrypted");
    // Also where it was encrypted on write before.
    let made = Made {
        on_write: Some(OnWrite::default()),
        ..made
    };
    check(&made, "decrypted, on write");
}

#[test]
fn what_was_being_moved_when_the_machine_stopped_cannot_be_read() {
    let made = Made {
        state: (2, 0x28000, 4096),
        ..Made::default()
    };
    let context = context(&[]);
    let stack = look(Arc::new(Memory(made.disk())), &context);
    let source = unlocked(&stack).unwrap();
    let plain = made.plain();
    for at in (0..SIZE as u64).step_by(4096) {
        match read_vec(&*source, at, 4096) {
            Ok(bytes) => assert_eq!(bytes, plain[at as usize..][..4096], "{at:#x}"),
            Err(error) => {
                assert_eq!((at, error.kind()), (0x28000, Kind::Unsupported));
            }
        }
    }
    let notices = context.notices.all();
    assert!(
        notices
            .iter()
            .any(|it| it.contains("conversion was interrupted")),
        "{notices:?}"
    );
}

#[test]
fn what_is_behind_the_last_sector_is_read_as_it_is() {
    for vista in [false, true] {
        let made = Made {
            vista,
            sector: 4096,
            state: (4, if vista { 0 } else { SIZE as u64 }, 0),
            ..Made::default()
        };
        let more = *b"less than a sector";
        let disk = [made.disk(), more.to_vec()].concat();
        let stack = look(Arc::new(Memory(disk)), &context(&[]));
        let source = unlocked(&stack).unwrap();
        let found = read_vec(&*source, 0, SIZE + more.len()).unwrap();
        assert!(found == [made.plain(), more.to_vec()].concat(), "{vista}");
    }
}
