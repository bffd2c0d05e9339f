//! Unlocking: from a header and a passphrase to the key, and from the key to the data.

use std::sync::Arc;

use super::Header;
use super::keyslot::Digest;
use super::search::Search;
use super::segment::{Kind, Segment};
use crate::crypt::SectorCipher;
use crate::error::{Error, Result, ResultExt};
use crate::format::{Container, Context, Secret};
use crate::number::to_usize;
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
        self.note_null(context);
        let Some(digest) = self.digest()? else {
            let header = self;
            return Ok(Unlocked { header, key: None });
        };
        let mut search = Search::new(&self, source, digest, context)?;
        let container = Container {
            format: self.name(),
            uuid: Some(&self.uuid),
            wants: "a passphrase or key file",
        };
        let key = context.unlock(&container, &mut |secret| search.open(secret))?;
        search.give_back();
        self.check_key(&key)?;
        let key = Some(key);
        Ok(Unlocked { header: self, key })
    }

    /// The digest of the key of all encrypted segments; `None` where none is encrypted.
    fn digest(&self) -> Result<Option<&Digest>> {
        let mut found: Option<&Digest> = None;
        for segment in &self.segments {
            if matches!(segment.kind, Kind::Linear) {
                continue;
            }
            let is_its = |digest: &&Digest| digest.segments.contains(&segment.number);
            let number = segment.number;
            let none = || Error::corrupt(format!("segment {number} has no digest")).at(segment.at);
            let digest = self.digests.iter().find(is_its).ok_or_else(none)?;
            if found.is_some_and(|found| !std::ptr::eq(found, digest)) {
                let text = "segments of several keys are not read";
                return Err(Error::unsupported(text).at(segment.at));
            }
            found = Some(digest);
        }
        Ok(found)
    }

    /// Says loudly what is not encrypted: whoever swapped the header could have wanted that.
    fn note_null(&self, context: &Context) {
        let mut plain = self.segments.iter().filter_map(|segment| {
            let what = match &segment.kind {
                Kind::Crypt { cipher, .. } if cipher.is_null() => "the cipher is cipher_null",
                Kind::Crypt { .. } => return None,
                Kind::Linear => "the type is linear",
            };
            Some((segment.number, what))
        });
        if let Some((number, what)) = plain.next() {
            let subject = crate::error::printable(context.subject.as_bytes());
            context.notices.add(format!(
                "{subject}: crypto_LUKS: segment {number}: {what}: NOTHING IS ENCRYPTED there, \
                 anybody could have read and changed it"
            ));
        }
    }

    /// Whether the ciphers of the segments take `key`, before anything is read with it.
    fn check_key(&self, key: &Secret) -> Result<()> {
        for segment in &self.segments {
            if let Kind::Crypt {
                cipher,
                sector_size,
                ..
            } = &segment.kind
            {
                let number = segment.number;
                cipher
                    .check(key.bytes().len(), to_usize(u64::from(*sector_size)))
                    .map_err(|error| error.at(segment.at))
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
