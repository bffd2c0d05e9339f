//! From LUKS2's JSON to keyslots, digests and segments, checked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::{self, Metadata, Size};
use super::keyslot::{Area, Digest, Keyslot, Priority, key_size};
use super::layout::{HEADER_2_LEN, STRIPES, text};
use super::luks1::positive;
use super::luks2::Copy;
use super::places::Place;
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
    let all = copy.place();
    check_areas(metadata, fixed.hdr_size.get(), all)?;
    let label = |field: &[u8]| Some(text(field).to_vec()).filter(|text| !text.is_empty());
    let mut header = Header {
        version: 2,
        uuid: printable(text(&fixed.uuid)),
        label: label(&fixed.label),
        facts: info::facts(fixed, metadata),
        features: info::features(metadata),
        ..Header::default()
    };
    let keyslots = all.member("keyslots");
    for (number, keyslot) in &metadata.keyslots.0 {
        let place = keyslots.number(*number);
        let read = self::keyslot(*number, keyslot, source, place);
        match read.context(|| format!("keyslot {number}")) {
            Ok(keyslot) => header.keyslots.extend(keyslot),
            // Others may open the volume.
            Err(error) => header.notices.push(error.to_string()),
        }
    }
    let digests = all.member("digests");
    for (number, digest) in &metadata.digests.0 {
        let place = digests.number(*number);
        let digest = self::digest(digest, place).context(|| format!("digest {number}"));
        header.digests.push(digest?);
    }
    header.refusal = refusal(metadata, all);
    let segments = all.member("segments");
    for (number, segment) in &metadata.segments.0 {
        // What a reencryption keeps of the state before and after it.
        if segment.flags.iter().any(|flag| flag.starts_with("backup-")) {
            continue;
        }
        let place = segments.number(*number);
        match self::segment(*number, segment, place).context(|| format!("segment {number}")) {
            Ok(segment) => header.segments.push(segment),
            Err(error) => {
                header.refusal.get_or_insert(error);
            }
        }
    }
    if header.segments.is_empty() && header.refusal.is_none() {
        let at = all.member("segments").byte();
        return Err(Error::corrupt("there is no segment").at(at));
    }
    Ok(header)
}

/// What keeps the volume from being read, although its header is in order.
fn refusal(metadata: &Metadata, all: Place<'_>) -> Option<Error> {
    let is_of = |word: &str, part: &str| word.contains(part);
    let mut mandatory = metadata.config.requirements.mandatory.iter();
    let first = mandatory.next();
    let requirements = || all.member("config").member("requirements");
    let reencryption = |name: &str, place: Place<'_>| {
        let text = format!("reencryption in progress ({})", printable(name.as_bytes()));
        let error = Error::unsupported(text).at(place.byte());
        error.hint("cryptsetup reencrypt --resume-only ends it")
    };
    match (first, moving(metadata, all)) {
        (Some(name), _) if is_of(name, "reencrypt") => {
            Some(reencryption(name, requirements().member("mandatory")))
        }
        (_, Some(place)) => Some(reencryption("its keyslot is there", place)),
        (Some(name), None) => {
            let name = printable(name.as_bytes());
            let error = Error::unsupported(format!("requirement {name} is not known"));
            Some(error.at(requirements().member("mandatory").byte()))
        }
        (None, None) => None,
    }
}

/// The keyslot of a reencryption, or a segment that is in one.
fn moving<'a>(metadata: &Metadata, all: Place<'a>) -> Option<Place<'a>> {
    let mut keyslots = metadata.keyslots.0.iter();
    let mut segments = metadata.segments.0.iter();
    let keyslot = keyslots.find(|(_, keyslot)| keyslot.kind == "reencrypt");
    let is_in = |segment: &json::Segment| segment.flags.iter().any(|it| it == "in-reencryption");
    let segment = segments.find(|(_, segment)| is_in(segment));
    let keyslot = keyslot.map(|(number, _)| all.member("keyslots").number(*number));
    keyslot.or(segment.map(|(number, _)| all.member("segments").number(*number)))
}

/// Keyslots' areas lie behind both headers, in the bytes that are kept for them, and share none; the
/// data begins behind those.
fn check_areas(metadata: &Metadata, header_size: u64, all: Place<'_>) -> Result<()> {
    let config = all.member("config");
    let json_size = metadata.config.json_size.0;
    if json_size.saturating_add(to_u64(HEADER_2_LEN)) != header_size {
        let text = format!("json_size {json_size} does not fit hdr_size {header_size}");
        return Err(Error::corrupt(text).at(config.member("json_size").byte()));
    }
    let start = header_size.saturating_mul(2);
    let size = metadata.config.keyslots_size.0;
    let overflow = || {
        let error = Error::corrupt(format!("keyslots_size {size} is too large"));
        error.at(config.member("keyslots_size").byte())
    };
    let end = start.checked_add(size).ok_or_else(overflow)?;
    let area = |number: u32| all.member("keyslots").number(number).member("area");
    let mut areas = Vec::new();
    for (number, keyslot) in &metadata.keyslots.0 {
        let (offset, size) = (keyslot.area.offset.0, keyslot.area.size.0);
        let area_end = offset.checked_add(size).filter(|end| *end > offset);
        let Some(area_end) = area_end.filter(|it| offset >= start && *it <= end) else {
            let text = format!(
                "keyslot {number}: area of {size} bytes leaves those for keyslots, {start:#x} to {end:#x}"
            );
            return Err(Error::corrupt(text).at(area(*number).byte()));
        };
        areas.push((offset, area_end, number));
    }
    areas.sort_unstable();
    for pair in areas.windows(2) {
        if let [(_, end, one), (offset, _, other)] = pair
            && offset < end
        {
            let text = format!("the areas of keyslots {one} and {other} overlap");
            return Err(Error::corrupt(text).at(area(**other).byte()));
        }
    }
    for (number, segment) in &metadata.segments.0 {
        // Without any header before it, the data of a detached one begins where it likes.
        let offset = segment.offset.0;
        if offset > 0 && offset < end && segment.kind != "linear" {
            let text = format!("segment {number} lies in the header, which ends at {end:#x}");
            let place = all.member("segments").number(*number);
            return Err(Error::corrupt(text).at(place.member("offset").byte()));
        }
    }
    Ok(())
}

/// A keyslot that a passphrase may open; nothing for those of other kinds.
fn keyslot(
    number: u32,
    keyslot: &json::Keyslot,
    source: &dyn Source,
    place: Place<'_>,
) -> Result<Option<Keyslot>> {
    if keyslot.kind != "luks2" {
        return Ok(None);
    }
    let (area, area_at) = (&keyslot.area, place.member("area"));
    let (Some(af), Some(kdf), Some(encryption), Some(area_key)) =
        (&keyslot.af, &keyslot.kdf, &area.encryption, area.key_size)
    else {
        let text = "af, kdf, or the area's encryption is missing";
        return Err(Error::corrupt(text).at(place.byte()));
    };
    if area.kind != "raw" || af.kind != "luks1" {
        let (area, af) = (
            printable(area.kind.as_bytes()),
            printable(af.kind.as_bytes()),
        );
        let text = format!("area {area} with splitter {af} is not known");
        return Err(Error::unsupported(text).at(place.byte()));
    }
    if af.stripes != STRIPES {
        let error = Error::corrupt(format!("stripes {} is not {STRIPES}", af.stripes));
        return Err(error.at(place.member("af").member("stripes").byte()));
    }
    let read = Keyslot {
        number,
        priority: match keyslot.priority {
            Some(0) => Priority::Ignore,
            None | Some(1) => Priority::Normal,
            Some(2) => Priority::Prefer,
            Some(other) => {
                let error = Error::corrupt(format!("priority {other} is not 0 to 2"));
                return Err(error.at(place.member("priority").byte()));
            }
        },
        key_size: key_size(keyslot.key_size).map_err(at(place.member("key_size")))?,
        kdf: self::kdf(kdf).map_err(at(place.member("kdf")))?,
        kdf_at: place.member("kdf").byte(),
        hash: Hash::by_name(&af.hash).map_err(at(place.member("af").member("hash")))?,
        area: Area {
            offset: area.offset.0,
            size: area.size.0,
            cipher: Spec::parse(encryption).map_err(at(area_at.member("encryption")))?,
            cipher_at: area_at.member("encryption").byte(),
            key_size: key_size(area_key).map_err(at(area_at.member("key_size")))?,
        },
    };
    read.check(source).map_err(at(area_at))?;
    Ok(Some(read))
}

/// Says of an error that it is about what stands at `place`.
fn at(place: Place<'_>) -> impl Fn(Error) -> Error {
    let at = place.byte();
    move |error| error.at(at)
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

fn digest(digest: &json::Digest, place: Place<'_>) -> Result<Digest> {
    if digest.kind != "pbkdf2" {
        let kind = printable(digest.kind.as_bytes());
        let error = Error::unsupported(format!("type {kind} is not known"));
        return Err(error.at(place.member("type").byte()));
    }
    let hash = Hash::by_name(&digest.hash).map_err(at(place.member("hash")))?;
    let value = base64(&digest.digest, "digest").map_err(at(place.member("digest")))?;
    if !(LEAST_DIGEST..=hash.size().max(LEAST_DIGEST)).contains(&value.len()) {
        let text = format!("{} bytes are no digest of {hash}", value.len());
        return Err(Error::corrupt(text).at(place.member("digest").byte()));
    }
    let numbers = |all: &[json::Reference]| all.iter().map(|it| it.0).collect();
    let iterations = positive(digest.iterations, "iterations");
    Ok(Digest {
        kdf_at: place.member("iterations").byte(),
        kdf: Kdf::Pbkdf2 {
            hash,
            iterations: iterations.map_err(at(place.member("iterations")))?,
            salt: base64(&digest.salt, "salt").map_err(at(place.member("salt")))?,
        },
        value,
        keyslots: numbers(&digest.keyslots),
        segments: numbers(&digest.segments),
    })
}

fn segment(number: u32, segment: &json::Segment, place: Place<'_>) -> Result<Segment> {
    let kind_at = place.member("type");
    let unsupported = |name: &str| {
        let name = printable(name.as_bytes());
        Error::unsupported(format!("{name} is not read"))
    };
    if let Some(integrity) = &segment.integrity {
        let error = unsupported(&format!("integrity {}", integrity.kind));
        return Err(error.at(place.member("integrity").byte()));
    }
    let kind = match segment.kind.as_str() {
        "crypt" => crypt(segment, place)?,
        "linear" => Kind::Linear,
        "hw-opal" | "hw-opal-crypt" => {
            let text = format!(
                "{}: the drive itself encrypts, and has the key",
                segment.kind
            );
            return Err(Error::unsupported(text).at(kind_at.byte()));
        }
        other => return Err(unsupported(&format!("type {other}")).at(kind_at.byte())),
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
    if !offset.is_multiple_of(512) {
        let text = format!("offset {offset} is no whole number of sectors");
        return Err(Error::corrupt(text).at(place.member("offset").byte()));
    }
    if let Some(size) = size.filter(|size| *size == 0 || !size.is_multiple_of(unit)) {
        let text = format!("size {size} is no whole number of sectors");
        return Err(Error::corrupt(text).at(place.member("size").byte()));
    }
    Ok(Segment {
        number,
        at: place.byte(),
        offset_at: place.member("offset").byte(),
        size_at: place.member("size").byte(),
        kind,
        offset,
        size,
    })
}

fn crypt(segment: &json::Segment, place: Place<'_>) -> Result<Kind> {
    let sector_size = segment.sector_size.unwrap_or(0);
    if !matches!(sector_size, 512 | 1024 | 2048 | 4096) {
        let text = format!("sector_size {sector_size} is not 512, 1024, 2048 or 4096");
        return Err(Error::corrupt(text).at(place.member("sector_size").byte()));
    }
    let missing = |name: &str| Error::corrupt(format!("there is no {name}")).at(place.byte());
    let cipher = segment.encryption.as_deref();
    let cipher = Spec::parse(cipher.ok_or_else(|| missing("encryption"))?);
    Ok(Kind::Crypt {
        cipher: cipher.map_err(at(place.member("encryption")))?,
        sector_size,
        iv_tweak: segment.iv_tweak.ok_or_else(|| missing("iv_tweak"))?.0,
    })
}

fn base64(text: &str, name: &str) -> Result<Vec<u8>> {
    let wrong = |_| Error::corrupt(format!("the {name} is not in base64"));
    STANDARD.decode(text).map_err(wrong)
}
