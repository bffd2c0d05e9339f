//! The search for the key of the data: which keyslot a passphrase opens, at what cost.

use super::Header;
use super::keyslot::{Digest, Keyslot, Priority};
use crate::crypt::kdf::{Budget, Cost};
use crate::error::{Error, Result, ResultExt};
use crate::format::{Context, KdfLimit, Refused, Secret};
use crate::source::Source;

/// The keyslots of one key of the data, and what may still be spent on them, with all passphrases.
pub(super) struct Search<'a> {
    source: &'a dyn Source,
    digest: &'a Digest,
    /// What it costs to see whether a keyslot gave the key: as much as whoever made it chose.
    digest_cost: Cost,
    /// By their priorities.
    slots: Vec<&'a Keyslot>,
    limit: KdfLimit,
    budget: Budget<'a>,
}

/// The numbers of the keyslots that one passphrase was tried on, and of those it was not.
#[derive(Default)]
struct Numbers {
    tried: Vec<String>,
    left: Vec<String>,
    /// How many times the limit the first of these would have cost, and with what together.
    over: (u32, &'static str),
}

impl<'a> Search<'a> {
    /// For the key that is `digest`'s, in the keyslots of `header`, which lies in `source`.
    ///
    /// # Errors
    /// The cost of the digest is over the limit of `context`.
    pub(super) fn new(
        header: &'a Header,
        source: &'a dyn Source,
        digest: &'a Digest,
        context: &'a Context,
    ) -> Result<Self> {
        let limit = context.options.kdf_limit;
        let cost = digest.kdf.check(digest.value.len(), &limit);
        let cost = cost.map_err(|error| error.at(digest.kdf_at));
        let is_fit = |slot: &&Keyslot| {
            digest.keyslots.contains(&slot.number) && slot.priority != Priority::Ignore
        };
        let mut slots: Vec<&Keyslot> = header.keyslots.iter().filter(is_fit).collect();
        slots.sort_by_key(|slot| std::cmp::Reverse(slot.priority));
        Ok(Self {
            source,
            digest,
            digest_cost: cost.context(|| "digest")?,
            slots,
            limit,
            budget: Budget::new(limit, &context.keys),
        })
    }

    /// The key that `secret` opens. What one keyslot refuses keeps no other from being tried.
    ///
    /// # Errors
    /// The first refusal, where none opens: it may be the key of a keyslot that was not tried.
    pub(super) fn open(&mut self, secret: &Secret) -> Result<Option<Secret>> {
        let mut refused = Refused::default();
        let mut numbers = Numbers::default();
        for slot in self.slots.clone() {
            let tried = self.try_slot(slot, secret, &mut numbers);
            let tried = tried.context(|| format!("keyslot {}", slot.number));
            if let Some(key) = refused.keep(tried) {
                return Ok(Some(key));
            }
        }
        if !numbers.left.is_empty() {
            refused.keep::<()>(Err(numbers.over_budget()));
        }
        refused.nothing()
    }

    /// A key opened the container: what all of them cost does not count for the others.
    pub(super) fn give_back(self) {
        self.budget.give_back();
    }

    fn try_slot(
        &mut self,
        slot: &Keyslot,
        secret: &Secret,
        numbers: &mut Numbers,
    ) -> Result<Option<Secret>> {
        // Any passphrase opens what is not encrypted.
        if slot.area.cipher.is_null() && !secret.bytes().is_empty() {
            let text = "it is not encrypted (cipher_null), so that any key would open it";
            return Err(Error::unsupported(text).at(slot.area.cipher_at));
        }
        let cost = slot.check_cost(&self.limit)?.and(self.digest_cost);
        if let Err(over) = self.budget.spend(cost) {
            if numbers.left.is_empty() {
                numbers.over = over;
            }
            numbers.left.push(slot.number.to_string());
            return Ok(None);
        }
        numbers.tried.push(slot.number.to_string());
        let key = slot.open(self.source, secret)?;
        Ok(self.digest.is_of(&key)?.then_some(key))
    }
}

impl Numbers {
    fn over_budget(&self) -> Error {
        let (times, what) = self.over;
        let tried = match self.tried.as_slice() {
            [] => "none was tried".to_owned(),
            tried => format!("{} were tried", tried.join(", ")),
        };
        let left = self.left.join(", ");
        Error::locked(format!(
            "KDF cost of {what} exceeds {times} times --kdf-limit: of the keyslots {tried} with \
             this key, not {left}"
        ))
        .hint("a larger --kdf-limit tries more")
    }
}
