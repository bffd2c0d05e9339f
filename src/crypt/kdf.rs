//! From a passphrase to a key, at a cost that whoever made the volume chose, and that is known and
//! bounded before anything is worked out.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use super::hash::Hash;
use crate::error::{Error, Kind, Result};
use crate::format::{KdfLimit, Keyring, Secret};
use crate::number::to_u64;

/// Iterations of PBKDF2 over two blocks that count as one second. A slow processor does as many;
/// most do several times that.
const ITERATIONS: u64 = 1_200_000;

/// KiB that Argon2 fills in what counts as one second, on one processor.
const KIBIBYTES: u64 = 1 << 20;

/// KiB that each lane of Argon2 needs at least (RFC 9106, 3.1).
const KIBIBYTES_OF_A_LANE: u64 = 8;

/// A key derivation function and its cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// RFC 8018, 5.2.
    Pbkdf2 {
        /// That HMAC is built on.
        hash: Hash,
        /// How often.
        iterations: u32,
        /// The salt.
        salt: Vec<u8>,
    },
    /// RFC 9106, version 0x13.
    Argon2 {
        /// Argon2id; otherwise Argon2i.
        is_id: bool,
        /// Passes over the memory.
        time: u32,
        /// KiB.
        memory: u32,
        /// Lanes.
        cpus: u32,
        /// The salt.
        salt: Vec<u8>,
    },
}

/// What a derivation costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes.
    pub memory: u64,
    /// Thousandths of a second, as estimated by the work and not by this machine.
    pub milliseconds: u64,
}

impl Cost {
    /// What this and `other` cost, one after the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            milliseconds: self.milliseconds.saturating_add(other.milliseconds),
        }
    }
}

impl Kdf {
    /// What a key of `len` bytes costs.
    #[must_use]
    pub fn cost(&self, len: usize) -> Cost {
        match self {
            Self::Pbkdf2 {
                hash, iterations, ..
            } => {
                // Up to two blocks count as two, so that what is refused does not depend on the key.
                let blocks = to_u64(len.div_ceil(hash.size().max(1)).max(2));
                let work = u64::from(*iterations).saturating_mul(blocks);
                Cost {
                    memory: 0,
                    milliseconds: work.saturating_mul(1000 / 2).div_ceil(ITERATIONS),
                }
            }
            Self::Argon2 {
                time, memory, cpus, ..
            } => {
                let least = u64::from(*cpus).saturating_mul(KIBIBYTES_OF_A_LANE);
                let memory = u64::from(*memory).max(least);
                let work = memory.saturating_mul(u64::from(*time));
                Cost {
                    memory: memory.saturating_mul(1024),
                    milliseconds: work.saturating_mul(1000).div_ceil(KIBIBYTES),
                }
            }
        }
    }

    /// Refuses what costs more than `limit` allows.
    ///
    /// # Errors
    /// `Locked`, naming the cost and the option that allows it.
    pub fn check(&self, len: usize, limit: &KdfLimit) -> Result<Cost> {
        let cost = self.cost(len);
        let allowed = u64::from(limit.seconds).saturating_mul(1000);
        if cost.memory <= limit.memory && cost.milliseconds <= allowed {
            return Ok(cost);
        }
        let mebibytes = cost.memory.div_ceil(1 << 20);
        let seconds = cost.milliseconds.div_ceil(1000);
        let text = format!("KDF cost exceeds --kdf-limit: {self}, {mebibytes} MiB, {seconds} s");
        Err(Error::locked(text).hint(format!(
            "--kdf-limit {}M:{} allows it",
            mebibytes.max(limit.memory.div_ceil(1 << 20)),
            seconds.max(u64::from(limit.seconds))
        )))
    }

    /// A key of `len` bytes. The cost is to be checked before.
    ///
    /// # Errors
    /// `Io` where memory is short, `Corrupt` for parameters that the function does not have.
    pub fn derive(&self, passphrase: &Secret, len: usize) -> Result<Secret> {
        let mut key = Secret::zeros(len)?;
        match self {
            Self::Pbkdf2 {
                hash,
                iterations,
                salt,
            } => hash.pbkdf2(passphrase.bytes(), salt, *iterations, key.bytes_mut()),
            Self::Argon2 { .. } => self.fill_by_argon2(passphrase, key.bytes_mut())?,
        }
        Ok(key)
    }

    fn fill_by_argon2(&self, passphrase: &Secret, key: &mut [u8]) -> Result<()> {
        let Self::Argon2 {
            is_id,
            time,
            memory,
            cpus,
            salt,
        } = self
        else {
            return Ok(());
        };
        let wrong = |error| Error::corrupt(format!("{self}: {error}"));
        let params = Params::new(*memory, *time, *cpus, Some(key.len())).map_err(wrong)?;
        let algorithm = match is_id {
            true => Algorithm::Argon2id,
            false => Algorithm::Argon2i,
        };
        let mut blocks = blocks(params.block_count())?;
        let argon2 = Argon2::new(algorithm, Version::V0x13, params);
        let passphrase = passphrase.bytes();
        let filled = argon2.hash_password_into_with_memory(passphrase, salt, key, &mut blocks);
        blocks.iter_mut().for_each(Block::zeroize);
        filled.map_err(wrong)
    }
}

impl fmt::Display for Kdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pbkdf2 {
                hash, iterations, ..
            } => write!(f, "pbkdf2 with {hash}, {iterations} iterations"),
            Self::Argon2 {
                is_id,
                time,
                memory,
                cpus,
                ..
            } => {
                let name = if *is_id { "argon2id" } else { "argon2i" };
                write!(f, "{name}, {time} passes over {memory} KiB, {cpus} lanes")
            }
        }
    }
}

/// The memory of Argon2, of a size that was checked; an error and no abort where there is less.
fn blocks(count: usize) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(count).map_err(|_| {
        let mebibytes = to_u64(count) / 1024;
        Error::new(Kind::Io, format!("no memory for {mebibytes} MiB of Argon2"))
    })?;
    blocks.resize(count, Block::default());
    Ok(blocks)
}

/// What may be spent on several derivations in turn: a container may have many keyslots, and a disk
/// many containers.
pub struct Budget<'a> {
    limit: KdfLimit,
    spent: u64,
    keys: &'a Keyring,
}

impl<'a> Budget<'a> {
    /// How many times the limit of one derivation all those of a container may cost.
    pub const TIMES: u32 = 4;
    /// How many times that all those of a run may cost on containers that stay locked: a dozen of
    /// which each has two keyslots of two thirds of the limit.
    pub const TIMES_IN_ALL: u32 = 16;

    /// Nothing spent yet on a container that `keys` are tried on.
    #[must_use]
    pub fn new(limit: KdfLimit, keys: &'a Keyring) -> Self {
        Self {
            limit,
            spent: 0,
            keys,
        }
    }

    /// Whether `cost` may be spent on top of what was; if so, it is.
    ///
    /// # Errors
    /// How many times the limit that would be, and of what.
    pub fn spend(&mut self, cost: Cost) -> std::result::Result<(), (u32, &'static str)> {
        let most =
            |times: u32| u64::from(self.limit.seconds.saturating_mul(times)).saturating_mul(1000);
        let spent = self.spent.saturating_add(cost.milliseconds);
        if spent > most(Self::TIMES) {
            return Err((Self::TIMES, "all tries"));
        }
        if !self.keys.spend(cost.milliseconds, most(Self::TIMES_IN_ALL)) {
            return Err((Self::TIMES_IN_ALL, "all tries on all containers"));
        }
        self.spent = spent;
        Ok(())
    }

    /// Gives back what the tries cost of all containers, now that one of them opened this one: who
    /// made it has the user's key, and so is nobody who wants to keep the user waiting.
    pub fn give_back(self) {
        self.keys.give_back(self.spent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Nobody;
    use std::sync::Arc;

    fn spend(
        budget: &mut Budget<'_>,
        seconds: u64,
    ) -> std::result::Result<(), (u32, &'static str)> {
        budget.spend(Cost {
            memory: 0,
            milliseconds: seconds.saturating_mul(1000),
        })
    }

    #[test]
    fn what_the_tries_on_an_opened_container_cost_may_be_spent_again() {
        let keys = Keyring::new(Arc::new(Nobody));
        let limit = KdfLimit::default();
        // More than would fit together: two keyslots of a gigabyte in seven passes each.
        for _ in 0..100 {
            let mut budget = Budget::new(limit, &keys);
            assert!((0..2).all(|_| spend(&mut budget, 7).is_ok()));
            budget.give_back();
        }
        let over = Err((Budget::TIMES_IN_ALL, "all tries on all containers"));
        for number in 0..12 {
            let mut budget = Budget::new(limit, &keys);
            let spent = (0..2).map(|_| spend(&mut budget, 7)).collect::<Vec<_>>();
            // Of those that stay locked there are 22 tries, of 160 seconds and less.
            let expected = if number < 11 { Ok(()) } else { over };
            assert_eq!(spent, [expected, expected], "{number}");
        }
    }
}
