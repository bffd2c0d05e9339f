//! LUKS1: one header of fixed fields, eight keyslots, one key for all data.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::keyslot::{Area, Digest, Keyslot, Priority, key_size};
use super::layout::{self, KEY_DISABLED, KEY_ENABLED, KeySlot, Phdr, STRIPES, text};
use super::segment::{Kind, Segment};
use super::{Header, merge};
use crate::crypt::hash::Hash;
use crate::crypt::kdf::Kdf;
use crate::crypt::spec::Spec;
use crate::error::{Error, Result, ResultExt, printable};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// Bytes of the unit in which offsets are counted.
const SECTOR: u64 = 512;

/// Reads and checks the header at the start of `source`.
pub(super) fn read(source: &dyn Source) -> Result<Header> {
    let bytes = read_vec(source, 0, size_of::<Phdr>()).context(|| "header")?;
    let phdr =
        Phdr::read_from_bytes(&bytes).map_err(|_| Error::corrupt("the header is cut off").at(0))?;
    let name = |field: &[u8]| printable(text(field));
    let hash = Hash::by_name(&name(&phdr.hash_spec)).map_err(|error| error.at(72))?;
    let cipher = format!("{}-{}", name(&phdr.cipher_name), name(&phdr.cipher_mode));
    let cipher = Spec::parse(&cipher).map_err(|error| error.at(8))?;
    let key_size = key_size(phdr.key_bytes.get()).map_err(|error| error.at(108))?;
    let payload = u64::from(phdr.payload_offset.get()).saturating_mul(SECTOR);
    let iterations =
        positive(phdr.mk_digest_iter.get(), "mk-digest-iter").map_err(|e| e.at(164))?;
    let mut keyslots = Vec::new();
    for (slot, number) in phdr.key_slots.iter().zip(0_u32..) {
        let shape = Shape {
            hash,
            cipher: &cipher,
            key_size,
            payload,
        };
        let keyslot = shape.keyslot(slot, number, source);
        let keyslot = keyslot.context(|| format!("keyslot {number}"))?;
        keyslots.extend(keyslot);
    }
    let digest = Digest {
        kdf_at: to_u64(offset_of!(Phdr, mk_digest_iter)),
        kdf: Kdf::Pbkdf2 {
            hash,
            iterations,
            salt: phdr.mk_digest_salt.to_vec(),
        },
        value: phdr.mk_digest.to_vec(),
        keyslots: keyslots.iter().map(|keyslot| keyslot.number).collect(),
        segments: vec![0],
    };
    Ok(Header {
        version: 1,
        uuid: name(&phdr.uuid),
        keyslots,
        digests: vec![digest],
        segments: vec![Segment {
            number: 0,
            at: to_u64(offset_of!(Phdr, cipher_name)),
            offset_at: to_u64(offset_of!(Phdr, payload_offset)),
            size_at: to_u64(offset_of!(Phdr, payload_offset)),
            kind: Kind::Crypt {
                cipher,
                sector_size: 512,
                iv_tweak: 0,
            },
            offset: payload,
            size: None,
        }],
        ..Header::default()
    })
}

/// What all keyslots of a header have in common.
struct Shape<'a> {
    hash: Hash,
    cipher: &'a Spec,
    key_size: usize,
    payload: u64,
}

impl Shape<'_> {
    /// A keyslot that is in use. One that is not is checked all the same: its place is fixed when
    /// the volume is made.
    fn keyslot(&self, slot: &KeySlot, number: u32, source: &dyn Source) -> Result<Option<Keyslot>> {
        let wrong = |text: String, field| Error::corrupt(text).at(place(number, field));
        let stripes = slot.stripes.get();
        if stripes != STRIPES {
            let text = format!("stripes {stripes} is not {STRIPES}");
            return Err(wrong(text, offset_of!(KeySlot, stripes)));
        }
        let offset = u64::from(slot.key_material_offset.get()).saturating_mul(SECTOR);
        let len = to_u64(self.key_size.saturating_mul(merge::stripes()));
        let size = len.next_multiple_of(SECTOR);
        if offset < to_u64(size_of::<Phdr>()) {
            let text = format!("key-material-offset {offset:#x} lies in the header");
            return Err(wrong(text, offset_of!(KeySlot, key_material_offset)));
        }
        if self.payload > 0 && offset.saturating_add(size) > self.payload {
            let payload = self.payload;
            let text = format!(
                "key-material-offset {offset:#x} reaches into the data at payload-offset {payload:#x}"
            );
            return Err(wrong(text, offset_of!(KeySlot, key_material_offset)));
        }
        match slot.active.get() {
            KEY_ENABLED => {}
            KEY_DISABLED => return Ok(None),
            other => {
                let text = format!("active {other:#x} is neither enabled nor disabled");
                return Err(wrong(text, offset_of!(KeySlot, active)));
            }
        }
        let at = |error: Error| error.at(place(number, offset_of!(KeySlot, iterations)));
        let keyslot = Keyslot {
            number,
            priority: Priority::Normal,
            key_size: self.key_size,
            kdf: Kdf::Pbkdf2 {
                hash: self.hash,
                iterations: positive(slot.iterations.get(), "iterations").map_err(at)?,
                salt: slot.salt.to_vec(),
            },
            kdf_at: place(number, offset_of!(KeySlot, iterations)),
            hash: self.hash,
            area: Area {
                offset,
                size,
                cipher: self.cipher.clone(),
                cipher_at: to_u64(offset_of!(Phdr, cipher_name)),
                key_size: self.key_size,
            },
        };
        let area = place(number, offset_of!(KeySlot, key_material_offset));
        keyslot.check(source).map_err(|error| error.at(area))?;
        Ok(Some(keyslot))
    }
}

/// The byte of the header where the byte `field` of keyslot `number` is.
fn place(number: u32, field: usize) -> u64 {
    let skip = to_u64(size_of::<KeySlot>()).saturating_mul(number.into());
    let slots = to_u64(offset_of!(Phdr, key_slots));
    slots.saturating_add(skip).saturating_add(to_u64(field))
}

/// `value` if it is at least 1.
pub(super) fn positive(value: u32, name: &str) -> Result<u32> {
    match value {
        0 => Err(Error::corrupt(format!("{name} is 0"))),
        value => Ok(value),
    }
}

/// Whether `source` begins as a header of LUKS1 does.
pub(super) fn is_here(source: &dyn Source) -> bool {
    let start = read_vec(source, 0, 8).unwrap_or_default();
    start.starts_with(&layout::MAGIC) && start.ends_with(&[0, 1])
}
