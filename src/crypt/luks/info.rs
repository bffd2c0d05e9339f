//! What `info` says of a header.

use super::Header;
use super::json::{Kdf, Keyslot, Metadata, Reference, Segment};
use super::keyslot::Priority;
use super::layout::{Header2, text};
use super::segment::Kind;
use crate::error::printable;
use crate::format::{Ground, Makeup, Stretch};
use crate::source::Source;

impl Header {
    /// What the volume called `name` lies on, over `data`.
    #[must_use]
    pub fn makeup(&self, name: &str, data: &dyn Source) -> Makeup {
        let mut start = 0_u64;
        let mut stretches = Vec::new();
        for segment in &self.segments {
            let (offset, len) = segment.range(data).unwrap_or((segment.offset, 0));
            let kind = match &segment.kind {
                Kind::Crypt { cipher, .. } => cipher.to_string(),
                Kind::Linear => "linear".to_owned(),
            };
            stretches.push(Stretch {
                start,
                len,
                kind,
                facts: Vec::new(),
                on: vec![Ground::Member { member: 0, offset }],
            });
            start = start.saturating_add(len);
        }
        Makeup {
            name: name.trim_start_matches('/').to_owned(),
            shown: Some(0),
            uuid: Some(self.uuid.clone()).filter(|uuid| !uuid.is_empty()),
            size: Some(start),
            stretches,
            ..Makeup::default()
        }
    }
}

/// Name and value.
pub(super) type Facts = Vec<(&'static str, String)>;

/// What LUKS2 says besides keys: each text as it is on disk, made printable.
pub(super) fn facts(fixed: &Header2, metadata: &Metadata) -> Facts {
    let mut facts = vec![
        ("version", "2".to_owned()),
        ("epoch", fixed.seqid.get().to_string()),
    ];
    let subsystem = text(&fixed.subsystem);
    if !subsystem.is_empty() {
        facts.push(("subsystem", printable(subsystem)));
    }
    for (number, it) in &metadata.segments.0 {
        facts.push(("segment", format!("{number}: {}", segment(it))));
    }
    for (number, it) in &metadata.keyslots.0 {
        facts.push(("keyslot", format!("{number}: {}", keyslot(it))));
    }
    for (number, it) in &metadata.tokens.0 {
        let keyslots = match it.keyslots.as_slice() {
            [] => "no keyslot".to_owned(),
            slots => format!("keyslots {}", numbers(slots)),
        };
        let kind = printable(it.kind.as_bytes());
        facts.push(("token", format!("{number}: {kind}, {keyslots}")));
    }
    for name in &metadata.config.requirements.mandatory {
        facts.push(("requirement", printable(name.as_bytes())));
    }
    facts
}

/// The flags that the volume is to be opened with.
pub(super) fn features(metadata: &Metadata) -> Vec<String> {
    let flags = metadata.config.flags.iter();
    flags.map(|flag| printable(flag.as_bytes())).collect()
}

fn segment(segment: &Segment) -> String {
    let mut words = vec![segment.kind.clone()];
    words.extend(segment.encryption.clone());
    if let Some(size) = segment.sector_size {
        words.push(format!("sectors of {size} bytes"));
    }
    if let Some(integrity) = &segment.integrity {
        words.push(format!("integrity {}", integrity.kind));
    }
    words.extend(segment.flags.iter().cloned());
    printable(words.join(", ").as_bytes())
}

fn keyslot(keyslot: &Keyslot) -> String {
    let mut words = Vec::new();
    if keyslot.kind != "luks2" {
        words.push(keyslot.kind.clone());
        words.extend(keyslot.mode.clone());
    }
    words.extend(keyslot.kdf.as_ref().map(kdf));
    words.push(format!(
        "key of {} bits",
        u64::from(keyslot.key_size).saturating_mul(8)
    ));
    match keyslot.priority {
        Some(0) => words.push("ignored".to_owned()),
        Some(2) => words.push("preferred".to_owned()),
        _ => {}
    }
    printable(words.join(", ").as_bytes())
}

fn kdf(kdf: &Kdf) -> String {
    let number = |value: Option<u32>| value.unwrap_or(0);
    match kdf.hash.as_deref() {
        Some(hash) => {
            let iterations = number(kdf.iterations);
            format!("{} with {hash}, {iterations} iterations", kdf.kind)
        }
        None => {
            let (time, memory, cpus) = (number(kdf.time), number(kdf.memory), number(kdf.cpus));
            let kind = &kdf.kind;
            format!("{kind}, {time} passes over {memory} KiB, {cpus} lanes")
        }
    }
}

fn numbers(all: &[Reference]) -> String {
    let numbers: Vec<String> = all.iter().map(|it| it.0.to_string()).collect();
    numbers.join(" ")
}

/// The same of LUKS1.
pub(super) fn facts_of_1(header: &Header) -> Facts {
    let mut facts = vec![("version", "1".to_owned())];
    for segment in &header.segments {
        if let Kind::Crypt { cipher, .. } = &segment.kind {
            facts.push(("cipher", cipher.to_string()));
        }
    }
    for keyslot in &header.keyslots {
        let bits = keyslot.key_size.saturating_mul(8);
        let ignored = match keyslot.priority {
            Priority::Ignore => ", ignored",
            Priority::Normal | Priority::Prefer => "",
        };
        let text = format!(
            "{}: {}, key of {bits} bits{ignored}",
            keyslot.number, keyslot.kdf
        );
        facts.push(("keyslot", text));
    }
    facts
}
