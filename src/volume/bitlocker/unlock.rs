//! From what the user has to the key of the sectors: that opens a protector, in which the master
//! key is, which opens the key of the sectors.

use super::guid::Guid;
use super::metadata::Metadata;
use super::protector::{Opener, Protector};
use super::recovery::{self, Reading};
use super::sealed::{Key, SEALING};
use super::startup;
use super::stretch::{self, Hash, stretch};
use super::text;
use crate::crypt::kdf::Budget;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::{Container, Context, Refused, Secret};

/// The master key, and the number of the protector that it was in.
type Master = (usize, Key);

/// The key of the sectors: from a clear key if there is one, else from the user's.
///
/// # Errors
/// `Locked` where no key opens it, or finding out would take too long; `Corrupt` where one does, and
/// what it opens is damaged.
pub(super) fn sector_key(metadata: &Metadata, context: &Context) -> Result<Key> {
    let mut vault = Vault {
        metadata,
        context,
        budget: Budget::new(context.options.kdf_limit, &context.keys),
    };
    let master = match vault.clear() {
        Ok(Some(master)) => master,
        Ok(None) => vault.ask()?,
        Err(damage) => vault.ask().map_err(|error| match error.kind() {
            Kind::Locked => damage,
            _ => error,
        })?,
    };
    let key = vault.open(&master)?;
    vault.budget.give_back();
    Ok(key)
}

/// What a volume of these protectors would be opened by, in words.
pub(super) fn wants(protectors: &[Protector]) -> String {
    let has = |opener| protectors.iter().any(|it| it.opener == opener);
    let known = [
        (Opener::Password, "a password"),
        (Opener::Recovery, "a recovery password"),
        (Opener::StartupKey, "a startup key file"),
    ];
    let known = known.iter().filter(|(opener, _)| has(*opener));
    let known: Vec<&str> = known.map(|(_, name)| *name).collect();
    let mut others: Vec<String> = Vec::new();
    for protector in protectors {
        if let Opener::Other(_) = protector.opener {
            let name = protector.opener.to_string();
            if !others.contains(&name) {
                others.push(name);
            }
        }
    }
    let mut text = match known.as_slice() {
        [] => "a key that no file holds".to_owned(),
        names => names.join(" or "),
    };
    if !others.is_empty() {
        text.push_str(", not what else protects it: ");
        text.push_str(&others.join(", "));
    }
    text
}

struct Vault<'a> {
    metadata: &'a Metadata,
    context: &'a Context,
    /// What may still be spent on stretching keys.
    budget: Budget<'a>,
}

impl<'a> Vault<'a> {
    fn protectors(&self, opener: Opener) -> impl Iterator<Item = (usize, &'a Protector)> + use<'a> {
        let all = self.metadata.information.dataset.protectors.iter();
        all.enumerate().filter(move |(_, it)| it.opener == opener)
    }

    /// The master key that a key beside it opens.
    fn clear(&self) -> Result<Option<Master>> {
        let mut refused = Refused::default();
        for (number, protector) in self.protectors(Opener::Clear) {
            let opened = try_clear(protector).context(|| format!("protector {number}"));
            if let Some(key) = refused.keep(opened) {
                return Ok(Some((number, key)));
            }
        }
        refused.nothing()
    }

    /// The master key that one of the user's keys opens.
    fn ask(&mut self) -> Result<Master> {
        let dataset = &self.metadata.information.dataset;
        let uuid = dataset.id.to_string();
        let container = Container {
            format: "BitLocker",
            uuid: Some(&uuid),
            wants: &wants(&dataset.protectors),
        };
        let context = self.context;
        context.unlock(&container, &mut |secret| self.try_secret(secret))
    }

    /// A startup key file, a recovery password or a password.
    fn try_secret(&mut self, secret: &Secret) -> Result<Option<Master>> {
        let bytes = secret.bytes();
        // A damaged file is no damage of the volume's: it opens nothing.
        if let Ok(Some(file)) = startup::read(bytes) {
            return self.try_file(file.id, &file.key);
        }
        // Nobody types a line break: the key is tried without the last one as well.
        let line = bytes.strip_suffix(b"\n");
        let line = line.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_some_and(|line| !line.ends_with(b"\n")) {
            return Ok(None);
        }
        let Some(text) = text::read(bytes) else {
            return Ok(None);
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Ok(None);
        }
        let mut refused = Refused::default();
        let recovered = match recovery::read(text) {
            Some(Reading::Whole(key)) => {
                let opened = self.try_hash(Opener::Recovery, &stretch::of_recovery(&key));
                refused.keep(opened)
            }
            Some(Reading::Mistyped(mistake)) => {
                self.notice(&mistake.to_string());
                None
            }
            None => None,
        };
        if let Some(master) = recovered {
            return Ok(Some(master));
        }
        let opened = self.try_hash(Opener::Password, &stretch::of_password(text));
        match refused.keep(opened) {
            Some(master) => Ok(Some(master)),
            None => refused.nothing(),
        }
    }

    fn try_file(&self, id: Guid, key: &Key) -> Result<Option<Master>> {
        let all = self.protectors(Opener::StartupKey);
        let mut its = all.filter(|(_, protector)| protector.id == id).peekable();
        if its.peek().is_none() {
            self.notice(&format!("startup key {id} is another volume's"));
            return Ok(None);
        }
        let sealing = key.sealing()?;
        let mut refused = Refused::default();
        for (number, protector) in its {
            let opened = try_on(protector, sealing).context(|| format!("protector {number}"));
            if let Some(key) = refused.keep(opened) {
                return Ok(Some((number, key)));
            }
        }
        refused.nothing()
    }

    /// Tries what somebody typed on each protector that is opened like this; each has a salt of its
    /// own, for which all the work is done anew.
    fn try_hash(&mut self, opener: Opener, hash: &Hash) -> Result<Option<Master>> {
        let mut tried: u32 = 0;
        let mut refused = Refused::default();
        for (number, protector) in self.protectors(opener) {
            let Some(salt) = protector.salt.filter(|_| !protector.pbkdf2) else {
                continue;
            };
            if let Err((times, what)) = self.budget.spend(stretch::COST) {
                let text = format!(
                    "KDF cost of {what} exceeds {times} times --kdf-limit: {tried} protectors were \
                     tried with this key, and there are more"
                );
                let error = Error::locked(text).hint("--kdf-limit sets how long keys may take");
                refused.keep::<()>(Err(error));
                break;
            }
            let opened = try_on(protector, &stretch(hash, &salt));
            if let Some(key) = refused.keep(opened.context(|| format!("protector {number}"))) {
                return Ok(Some((number, key)));
            }
            tried = tried.saturating_add(1);
        }
        refused.nothing()
    }

    /// The key of the sectors, which the master key opens.
    fn open(&self, (number, master): &Master) -> Result<Key> {
        let information = &self.metadata.information;
        let master = master.sealing().context(|| format!("protector {number}"))?;
        let none = || Error::corrupt("there is no full volume encryption key");
        let sealed = information.dataset.key.as_ref().ok_or_else(none)?;
        let key = sealed
            .open(master)
            .context(|| "full volume encryption key")?;
        if let Some(seal) = &information.seal {
            self.check_hash(seal.open(master)?);
        }
        let damaged = || {
            let text = "the full volume encryption key is damaged: the master key is right and does not open it";
            Error::corrupt(text).at(sealed.at)
        };
        key.ok_or_else(damaged)
    }

    /// Says whether the metadata are those that were written by who had the key.
    fn check_hash(&self, sealed: Option<Key>) {
        use sha2::{Digest, Sha256};
        let found: [u8; SEALING] = Sha256::digest(&self.metadata.information.covered).into();
        if sealed.is_none_or(|sealed| sealed.bytes.bytes() != found) {
            self.notice("the metadata are not what their sealed hash says: they were changed without the key");
        }
    }

    fn notice(&self, text: &str) {
        let subject = crate::error::printable(self.context.subject.as_bytes());
        self.context
            .notices
            .add(format!("{subject}: BitLocker: {text}"));
    }
}

/// What the key that lies beside `protector` opens, if there is one.
fn try_clear(protector: &Protector) -> Result<Option<Key>> {
    let Some(key) = &protector.clear else {
        return Ok(None);
    };
    let wrong = || Error::corrupt("its clear key does not open it").at(key.at);
    let opened = try_on(protector, key.sealing()?)?;
    opened.ok_or_else(wrong).map(Some)
}

fn try_on(protector: &Protector, key: &[u8; SEALING]) -> Result<Option<Key>> {
    let none = || Error::corrupt("there is no master key in it");
    protector.sealed.as_ref().ok_or_else(none)?.open(key)
}
