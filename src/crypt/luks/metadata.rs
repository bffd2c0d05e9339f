//! From LUKS2's JSON to keyslots, digests and segments, checked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::{self, Metadata, Size};
use super::keyslot::{Area, Digest, Keyslot, Priority, key_size};
use super::layout::{HEADER_2_LEN, STRIPES, text};
use super::luks1::positive;
use super::luks2::Copy;
use super::segment::{Kind, Segment};
use super::{Header, info};
use crate::crypt::hash::Hash;
use crate::crypt::kdf::Kdf;
use crate::crypt::spec::Spec;
use crate::error::{Error, Result, ResultExt, printable};
use crate::number::to_u64;
use crate::source::Source;

/// Bytes of the shortest digest: LUKS1's, converted, have 20.
const LEAST_DIGEST: usize = 16;

/// The header that a copy is, whose areas lie in `source`.
pub(super) fn header(copy: &Copy, source: &dyn Source) -> Result<Header> {
    let (fixed, metadata) = (&copy.fixed, &copy.metadata);
    check_areas(metadata, fixed.hdr_size.get())?;
    let label = |field: &[u8]| Some(text(field).to_vec()).filter(|text| !text.is_empty());
    let mut header = Header {
        version: 2,
        uuid: printable(text(&fixed.uuid)),
        label: label(&fixed.label),
        facts: info::facts(fixed, metadata),
        features: info::features(metadata),
        ..Header::default()
    };
    for (number, keyslot) in &metadata.keyslots.0 {
        let read = self::keyslot(*number, keyslot, source);
        match read.context(|| format!("keyslot {number}")) {
            Ok(keyslot) => header.keyslots.extend(keyslot),
            // Others may open the volume.
            Err(error) => header.notices.push(error.to_string()),
        }
    }
    for (number, digest) in &metadata.digests.0 {
        let digest = self::digest(digest).context(|| format!("digest {number}"))?;
        header.digests.push(digest);
    }
    header.refusal = refusal(metadata);
    for (number, segment) in &metadata.segments.0 {
        // What a reencryption keeps of the state before and after it.
        if segment.flags.iter().any(|flag| flag.starts_with("backup-")) {
            continue;
        }
        match self::segment(*number, segment).context(|| format!("segment {number}")) {
            Ok(segment) => header.segments.push(segment),
            Err(error) => {
                header.refusal.get_or_insert(error);
            }
        }
    }
    if header.segments.is_empty() && header.refusal.is_none() {
        return Err(Error::corrupt("there is no segment"));
    }
    Ok(header)
}

/// What keeps the volume from being read, although its header is in order.
fn refusal(metadata: &Metadata) -> Option<Error> {
    let is_of = |word: &str, part: &str| word.contains(part);
    let mut mandatory = metadata.config.requirements.mandatory.iter();
    let first = mandatory.next();
    let mut keyslots = metadata.keyslots.0.values();
    let mut segments = metadata.segments.0.values();
    let is_moving = keyslots.any(|keyslot| keyslot.kind == "reencrypt")
        || segments.any(|segment| segment.flags.iter().any(|flag| flag == "in-reencryption"));
    let reencryption = |name: &str| {
        let text = format!("reencryption in progress ({})", printable(name.as_bytes()));
        Error::unsupported(text).hint("cryptsetup reencrypt --resume-only ends it")
    };
    match first {
        Some(name) if is_of(name, "reencrypt") => Some(reencryption(name)),
        _ if is_moving => Some(reencryption("its keyslot is there")),
        Some(name) => {
            let name = printable(name.as_bytes());
            Some(Error::unsupported(format!(
                "requirement {name} is not known"
            )))
        }
        None => None,
    }
}

/// Keyslots' areas lie behind both headers, in the bytes that are kept for them, and share none; the
/// data begins behind those.
fn check_areas(metadata: &Metadata, header_size: u64) -> Result<()> {
    let json_size = metadata.config.json_size.0;
    if json_size.saturating_add(to_u64(HEADER_2_LEN)) != header_size {
        let text = format!("json_size {json_size} does not fit hdr_size {header_size}");
        return Err(Error::corrupt(text).at(to_u64(HEADER_2_LEN)));
    }
    let start = header_size.saturating_mul(2);
    let size = metadata.config.keyslots_size.0;
    let overflow = || Error::corrupt(format!("keyslots_size {size} is too large"));
    let end = start.checked_add(size).ok_or_else(overflow)?;
    let mut areas = Vec::new();
    for (number, keyslot) in &metadata.keyslots.0 {
        let (offset, size) = (keyslot.area.offset.0, keyslot.area.size.0);
        let area_end = offset.checked_add(size).filter(|end| *end > offset);
        let Some(area_end) = area_end.filter(|it| offset >= start && *it <= end) else {
            let text = format!(
                "keyslot {number}: area of {size} bytes leaves those for keyslots, {start:#x} to {end:#x}"
            );
            return Err(Error::corrupt(text).at(offset));
        };
        areas.push((offset, area_end, number));
    }
    areas.sort_unstable();
    for pair in areas.windows(2) {
        if let [(_, end, one), (offset, _, other)] = pair
            && offset < end
        {
            let text = format!("the areas of keyslots {one} and {other} overlap");
            return Err(Error::corrupt(text).at(*offset));
        }
    }
    for (number, segment) in &metadata.segments.0 {
        // Without any header before it, the data of a detached one begins where it likes.
        let offset = segment.offset.0;
        if offset > 0 && offset < end && segment.kind != "linear" {
            let text = format!("segment {number} lies in the header, which ends at {end:#x}");
            return Err(Error::corrupt(text).at(offset));
        }
    }
    Ok(())
}

/// A keyslot that a passphrase may open; nothing for those of other kinds.
fn keyslot(number: u32, keyslot: &json::Keyslot, source: &dyn Source) -> Result<Option<Keyslot>> {
    if keyslot.kind != "luks2" {
        return Ok(None);
    }
    let area = &keyslot.area;
    let (Some(af), Some(kdf), Some(encryption), Some(area_key)) =
        (&keyslot.af, &keyslot.kdf, &area.encryption, area.key_size)
    else {
        return Err(Error::corrupt(
            "af, kdf, or the area's encryption is missing",
        ));
    };
    if area.kind != "raw" || af.kind != "luks1" {
        let (area, af) = (
            printable(area.kind.as_bytes()),
            printable(af.kind.as_bytes()),
        );
        let text = format!("area {area} with splitter {af} is not known");
        return Err(Error::unsupported(text));
    }
    if af.stripes != STRIPES {
        return Err(Error::corrupt(format!(
            "stripes {} is not {STRIPES}",
            af.stripes
        )));
    }
    let read = Keyslot {
        number,
        priority: match keyslot.priority {
            Some(0) => Priority::Ignore,
            None | Some(1) => Priority::Normal,
            Some(2) => Priority::Prefer,
            Some(other) => {
                return Err(Error::corrupt(format!("priority {other} is not 0 to 2")));
            }
        },
        key_size: key_size(keyslot.key_size)?,
        kdf: self::kdf(kdf)?,
        hash: Hash::by_name(&af.hash)?,
        area: Area {
            offset: area.offset.0,
            size: area.size.0,
            cipher: Spec::parse(encryption)?,
            key_size: key_size(area_key)?,
        },
    };
    read.check(source)?;
    Ok(Some(read))
}

fn kdf(kdf: &json::Kdf) -> Result<Kdf> {
    let salt = base64(&kdf.salt, "salt")?;
    let wanted = |value: Option<u32>, name: &str| positive(value.unwrap_or(0), name);
    match kdf.kind.as_str() {
        "pbkdf2" => Ok(Kdf::Pbkdf2 {
            hash: Hash::by_name(kdf.hash.as_deref().unwrap_or_default())?,
            iterations: wanted(kdf.iterations, "iterations")?,
            salt,
        }),
        name @ ("argon2i" | "argon2id") => Ok(Kdf::Argon2 {
            is_id: name == "argon2id",
            time: wanted(kdf.time, "time")?,
            memory: wanted(kdf.memory, "memory")?,
            cpus: wanted(kdf.cpus, "cpus")?,
            salt,
        }),
        other => {
            let name = printable(other.as_bytes());
            Err(Error::unsupported(format!("kdf {name} is not known")))
        }
    }
}

fn digest(digest: &json::Digest) -> Result<Digest> {
    if digest.kind != "pbkdf2" {
        let kind = printable(digest.kind.as_bytes());
        return Err(Error::unsupported(format!("type {kind} is not known")));
    }
    let hash = Hash::by_name(&digest.hash)?;
    let value = base64(&digest.digest, "digest")?;
    if !(LEAST_DIGEST..=hash.size().max(LEAST_DIGEST)).contains(&value.len()) {
        let text = format!("{} bytes are no digest of {hash}", value.len());
        return Err(Error::corrupt(text));
    }
    let numbers = |all: &[json::Reference]| all.iter().map(|it| it.0).collect();
    Ok(Digest {
        kdf: Kdf::Pbkdf2 {
            hash,
            iterations: positive(digest.iterations, "iterations")?,
            salt: base64(&digest.salt, "salt")?,
        },
        value,
        keyslots: numbers(&digest.keyslots),
        segments: numbers(&digest.segments),
    })
}

fn segment(number: u32, segment: &json::Segment) -> Result<Segment> {
    let unsupported = |name: &str| {
        let name = printable(name.as_bytes());
        Error::unsupported(format!("{name} is not read"))
    };
    if let Some(integrity) = &segment.integrity {
        return Err(unsupported(&format!("integrity {}", integrity.kind)));
    }
    let kind = match segment.kind.as_str() {
        "crypt" => crypt(segment)?,
        "linear" => Kind::Linear,
        "hw-opal" | "hw-opal-crypt" => {
            let text = format!(
                "{}: the drive itself encrypts, and has the key",
                segment.kind
            );
            return Err(Error::unsupported(text));
        }
        other => return Err(unsupported(&format!("type {other}"))),
    };
    let size = match segment.size {
        Size::Dynamic => None,
        Size::Bytes(size) => Some(size),
    };
    let offset = segment.offset.0;
    let unit = match kind {
        Kind::Crypt { sector_size, .. } => u64::from(sector_size),
        Kind::Linear => 512,
    };
    if !offset.is_multiple_of(512)
        || size.is_some_and(|size| size == 0 || !size.is_multiple_of(unit))
    {
        let text = format!("offset {offset} or its size is no whole number of sectors");
        return Err(Error::corrupt(text));
    }
    Ok(Segment {
        number,
        kind,
        offset,
        size,
    })
}

fn crypt(segment: &json::Segment) -> Result<Kind> {
    let sector_size = segment.sector_size.unwrap_or(0);
    if !matches!(sector_size, 512 | 1024 | 2048 | 4096) {
        let text = format!("sector_size {sector_size} is not 512, 1024, 2048 or 4096");
        return Err(Error::corrupt(text));
    }
    let missing = |name: &str| Error::corrupt(format!("there is no {name}"));
    let cipher = segment.encryption.as_deref();
    Ok(Kind::Crypt {
        cipher: Spec::parse(cipher.ok_or_else(|| missing("encryption"))?)?,
        sector_size,
        iv_tweak: segment.iv_tweak.ok_or_else(|| missing("iv_tweak"))?.0,
    })
}

fn base64(text: &str, name: &str) -> Result<Vec<u8>> {
    let wrong = |_| Error::corrupt(format!("the {name} is not in base64"));
    STANDARD.decode(text).map_err(wrong)
}
