//! Unlocking: from a header and a passphrase to the key, and from the key to the data.

use std::sync::Arc;

use super::Header;
use super::keyslot::{Keyslot, Priority};
use super::segment::{Kind, Segment};
use crate::crypt::SectorCipher;
use crate::crypt::kdf::{Budget, Cost};
use crate::error::{Error, Kind as ErrorKind, Result, ResultExt};
use crate::format::{Container, Context, KdfLimit, Secret};
use crate::source::{SharedSource, Source};

/// A header with its key.
pub struct Unlocked {
    header: Header,
    /// None where nothing is encrypted.
    key: Option<Secret>,
}

impl Header {
    /// Finds the key by one of the user's. `source` holds the header.
    ///
    /// # Errors
    /// `Locked` where there is none; what keeps the volume from being read; a cost over the limit.
    pub fn unlock(self, source: &dyn Source, context: &Context) -> Result<Unlocked> {
        if let Some(error) = &self.refusal {
            return Err(error.clone());
        }
        let Some(digest) = self.digest()? else {
            let header = self;
            return Ok(Unlocked { header, key: None });
        };
        self.note_null(context);
        self.digests
            .get(digest)
            .map_or(Ok(Cost::default()), |it| {
                it.kdf.check(it.value.len(), &context.options.kdf_limit)
            })
            .context(|| "digest")?;
        let container = Container {
            format: self.name(),
            uuid: Some(&self.uuid),
            wants: "a passphrase or key file",
        };
        let limit = context.options.kdf_limit;
        let key = context.unlock(&container, &mut |secret| {
            self.try_keyslots(source, digest, secret, limit)
        })?;
        self.check_key(&key)?;
        let key = Some(key);
        Ok(Unlocked { header: self, key })
    }

    /// The digest of the key of all encrypted segments, by its place; `None` where none is encrypted.
    fn digest(&self) -> Result<Option<usize>> {
        let mut found = None;
        for segment in &self.segments {
            if matches!(segment.kind, Kind::Linear) {
                continue;
            }
            let is_its = |digest: &super::Digest| digest.segments.contains(&segment.number);
            let place = self.digests.iter().position(is_its);
            let number = segment.number;
            let place =
                place.ok_or_else(|| Error::corrupt(format!("segment {number} has no digest")))?;
            if found.is_some_and(|found| found != place) {
                let text = "segments of several keys are not read";
                return Err(Error::unsupported(text));
            }
            found = Some(place);
        }
        Ok(found)
    }

    /// Says loudly what is not encrypted: whoever swapped the header could have wanted that.
    fn note_null(&self, context: &Context) {
        let is_null = |segment: &Segment| match &segment.kind {
            Kind::Crypt { cipher, .. } => cipher.is_null(),
            Kind::Linear => false,
        };
        if self.segments.iter().any(is_null) {
            let subject = crate::error::printable(context.subject.as_bytes());
            context.notices.add(format!(
                "{subject}: crypto_LUKS: the cipher is cipher_null: NOTHING IS ENCRYPTED, anybody \
                 could have read and changed it"
            ));
        }
    }

    /// The key that `secret` opens, by the keyslots in the order of their priorities.
    fn try_keyslots(
        &self,
        source: &dyn Source,
        digest: usize,
        secret: &Secret,
        limit: KdfLimit,
    ) -> Result<Option<Secret>> {
        let Some(digest) = self.digests.get(digest) else {
            return Ok(None);
        };
        let is_fit = |slot: &&Keyslot| {
            digest.keyslots.contains(&slot.number) && slot.priority != Priority::Ignore
        };
        let mut slots: Vec<&Keyslot> = self.keyslots.iter().filter(is_fit).collect();
        slots.sort_by_key(|slot| std::cmp::Reverse(slot.priority));
        let mut budget = Budget::new(limit);
        let mut refused = None;
        let mut tried = Vec::new();
        for slot in slots {
            let name = || format!("keyslot {}", slot.number);
            // Any passphrase opens what is not encrypted.
            if slot.area.cipher.is_null() && !secret.bytes().is_empty() {
                let text = "it is not encrypted (cipher_null), so that any key would open it";
                refused.get_or_insert(Error::unsupported(text).context(name()));
                continue;
            }
            match slot.check_cost(&limit) {
                Ok(cost) if budget.spend(cost) => {}
                Ok(_) => {
                    let error = over_budget(&tried, slot.number);
                    return Err(refused.unwrap_or(error));
                }
                Err(error) => {
                    refused.get_or_insert(error.context(name()));
                    continue;
                }
            }
            tried.push(slot.number.to_string());
            let key = slot.open(source, secret).context(name)?;
            if digest.is_of(&key)? {
                return Ok(Some(key));
            }
        }
        // It may be the key of a keyslot that was not tried.
        refused.map_or(Ok(None), Err)
    }

    /// Whether the ciphers of the segments take `key`, before anything is read with it.
    fn check_key(&self, key: &Secret) -> Result<()> {
        for segment in &self.segments {
            if let Kind::Crypt { cipher, .. } = &segment.kind {
                let number = segment.number;
                cipher
                    .check(key.bytes().len())
                    .context(|| format!("segment {number}"))?;
            }
        }
        Ok(())
    }

    /// Fails where the volume cannot lie in `data`; `is_detached` where the header lies elsewhere.
    ///
    /// # Errors
    /// `Corrupt` naming the segment, `Unsupported` for data that is elsewhere.
    pub fn check_data(&self, data: &dyn Source, is_detached: bool) -> Result<()> {
        for segment in &self.segments {
            let number = segment.number;
            if segment.offset == 0 && !is_detached && matches!(segment.kind, Kind::Crypt { .. }) {
                let text = "the header is detached: its data is in another image";
                let error = Error::unsupported(text);
                return Err(error.hint("open that one, with --header and this one's name"));
            }
            let range = segment.range(data);
            range.context(|| format!("segment {number}"))?;
        }
        Ok(())
    }
}

fn over_budget(tried: &[String], next: u32) -> Error {
    let tried = tried.join(", ");
    let times = Budget::TIMES;
    let text = format!(
        "KDF cost of all keyslots exceeds {times} times --kdf-limit: keyslots {tried} were tried, \
         {next} and the rest were not"
    );
    Error::new(ErrorKind::Unsupported, text).hint("a larger --kdf-limit tries more")
}

impl Unlocked {
    /// What the segments of `data` hold, each decrypted, in their order.
    ///
    /// # Errors
    /// As [`Header::check_data`].
    pub fn segments(&self, data: &SharedSource) -> Result<Vec<SharedSource>> {
        let none = Secret::zeros(0)?;
        let key = self.key.as_ref().unwrap_or(&none);
        let open = |segment: &Segment| {
            let number = segment.number;
            segment
                .open(data, key)
                .context(|| format!("segment {number}"))
        };
        self.header.segments.iter().map(open).collect()
    }

    /// What decrypts the first segment, by sectors that whoever has them counts himself.
    ///
    /// # Errors
    /// Those of a cipher that does not take the key.
    pub fn sectors(&self) -> Result<Arc<dyn SectorCipher>> {
        let first = self.header.segments.first();
        match (first.map(|segment| &segment.kind), &self.key) {
            (
                Some(Kind::Crypt {
                    cipher,
                    sector_size,
                    iv_tweak,
                }),
                Some(key),
            ) => {
                let size = crate::number::to_usize(u64::from(*sector_size));
                cipher.sectors(key.bytes(), size, *iv_tweak)
            }
            _ => Err(Error::unsupported("nothing is encrypted")),
        }
    }
}
