//! Keys: those that the user gave, for one container or for any, and those that are typed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::{Context, Nobody, Refused, Secret};
use crate::error::{Error, Result, printable};
use crate::lock::lock;

/// How often a passphrase is asked for, for one container.
const TRIES: usize = 3;

/// Where keys come from.
pub trait Keys: Send + Sync {
    /// The keys that the user gave, in their order.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Io`: one cannot be read. The error names it.
    fn given(&self) -> Result<Vec<Key>>;

    /// What the user types when asked by `question`, a printable line; `None` where there is nobody
    /// to ask, or nothing is typed.
    fn ask(&self, question: &str) -> Option<Secret>;
}

/// A key that the user gave.
#[derive(Clone, Debug)]
pub struct Key {
    /// The container that it is for, as the tree calls it or by its UUID; any without it.
    pub subject: Option<String>,
    /// The bytes.
    pub secret: Arc<Secret>,
}

/// A container that wants a key.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// What it is, as people call it: `LUKS2`.
    pub format: &'a str,
    /// Its UUID, which the user may name it by.
    pub uuid: Option<&'a str>,
    /// What would open it: `a passphrase or key file`.
    pub wants: &'a str,
}

/// All keys of one run, and what they were good for.
pub struct Keyring {
    keys: Arc<dyn Keys>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    given: Option<Vec<Key>>,
    /// What was typed and opened something: the next container may have the same.
    typed: Vec<Arc<Secret>>,
    /// The numbers of the given keys that opened something.
    useful: BTreeSet<usize>,
    /// Passphrases that were typed for nothing.
    is_refused: bool,
    /// What was spent on trying keys, in all containers, in milliseconds.
    spent: u64,
}

/// What a container made of a key: what it opens, or nothing.
type Try<'a, T> = &'a mut dyn FnMut(&Secret) -> Result<Option<T>>;

impl Keyring {
    /// Of the keys from `keys`.
    #[must_use]
    pub fn new(keys: Arc<dyn Keys>) -> Arc<Self> {
        Arc::new(Self {
            keys,
            state: Mutex::default(),
        })
    }

    /// Reads the keys that the user gave, unless they were read already.
    ///
    /// # Errors
    /// As [`Keys::given`].
    pub fn read(&self) -> Result<()> {
        let mut state = lock(&self.state);
        if state.given.is_none() {
            state.given = Some(self.keys.given()?);
        }
        Ok(())
    }

    /// Whether the user gave a key, or typed one, that opened nothing: a mistake.
    #[must_use]
    pub fn has_useless(&self) -> bool {
        let state = lock(&self.state);
        let given = state.given.as_ref().map_or(0, Vec::len);
        state.is_refused || state.useful.len() < given
    }

    /// Whether trying keys may cost `milliseconds` more, so that it is `most` at most in all containers
    /// together; if so, it does.
    #[must_use]
    pub fn spend(&self, milliseconds: u64, most: u64) -> bool {
        let mut state = lock(&self.state);
        let spent = state.spent.saturating_add(milliseconds);
        let is_within = spent <= most;
        if is_within {
            state.spent = spent;
        }
        is_within
    }

    /// Takes back `milliseconds` that were spent.
    pub fn give_back(&self, milliseconds: u64) {
        let mut state = lock(&self.state);
        state.spent = state.spent.saturating_sub(milliseconds);
    }

    /// The keys that may open `container`, which the tree calls `subject`, those for it alone first.
    fn for_container(&self, subject: &str, uuid: Option<&str>) -> Result<Vec<(usize, Key)>> {
        self.read()?;
        let state = lock(&self.state);
        let all = state.given.iter().flatten().cloned().enumerate();
        let is_same_uuid = |name: &str| uuid.is_some_and(|uuid| uuid.eq_ignore_ascii_case(name));
        let fits = |(_, key): &(usize, Key)| match &key.subject {
            Some(name) => name == subject || is_same_uuid(name),
            None => true,
        };
        let mut fitting: Vec<(usize, Key)> = all.filter(fits).collect();
        fitting.sort_by_key(|(_, key)| key.subject.is_none());
        Ok(fitting)
    }
}

impl Context {
    /// What the first of the user's keys gives that `try_key` finds to open `container`: those that
    /// were given, then up to three that are typed. `try_key` gives `None` for a wrong key. A key
    /// that ends with a line break is tried without it as well, as an editor may have put it there.
    /// An error of `try_key` keeps no other key from being tried.
    ///
    /// # Errors
    /// Where none opens it, the first error of `try_key`; without one `Locked`, saying what would
    /// open it. That of a key file that cannot be read.
    pub fn unlock<T>(&self, container: &Container<'_>, try_key: Try<'_, T>) -> Result<T> {
        let keys = self.keys.for_container(&self.subject, container.uuid)?;
        let mut refused = Refused::default();
        let mut opens = |secret: &Secret| refused.keep(try_key(secret));
        for (number, key) in &keys {
            if let Some(opened) = open_by_both(&key.secret, &mut opens)? {
                lock(&self.keys.state).useful.insert(*number);
                return Ok(opened);
            }
        }
        let typed = lock(&self.keys.state).typed.clone();
        for secret in &typed {
            if let Some(opened) = opens(secret) {
                return Ok(opened);
            }
        }
        let mut asked = 0;
        while asked < TRIES
            && let Some(secret) = self.keys.keys.ask(&self.question(container, asked))
        {
            asked = asked.saturating_add(1);
            if let Some(opened) = opens(&secret) {
                lock(&self.keys.state).typed.push(Arc::new(secret));
                return Ok(opened);
            }
        }
        if asked > 0 {
            lock(&self.keys.state).is_refused = true;
        }
        let locked = || self.locked(container, keys.len().saturating_add(asked));
        refused.nothing()?.ok_or_else(locked)
    }

    fn question(&self, container: &Container<'_>, asked: usize) -> String {
        let again = match asked {
            0 => "",
            _ => "That does not open it. ",
        };
        let (subject, format) = (printable(self.subject.as_bytes()), container.format);
        format!("{again}Passphrase for {subject} ({format}; Enter to leave it locked): ")
    }

    fn locked(&self, container: &Container<'_>, tried: usize) -> Error {
        let text = match tried {
            0 => "locked: no key was given".to_owned(),
            1 => "locked: the key does not open it".to_owned(),
            _ => format!("locked: none of {tried} keys opens it"),
        };
        let (subject, wants) = (printable(self.subject.as_bytes()), container.wants);
        Error::locked(text).hint(format!(
            "it wants {wants}: --key {subject}:FILE or --passphrase-fd NUMBER"
        ))
    }

    /// What a container called `kind` is called when it has been opened: `luks` where it is a whole
    /// disk, else `luks-p3`. It stands at the top of the tree.
    #[must_use]
    pub fn named(&self, kind: &str) -> String {
        match self.subject.as_str() {
            "disk" => format!("/{kind}"),
            subject => format!("/{kind}-{}", subject.replace('/', "-")),
        }
    }
}

/// What `secret` opens as it is, or without the line break at its end.
fn open_by_both<T>(
    secret: &Secret,
    opens: &mut dyn FnMut(&Secret) -> Option<T>,
) -> Result<Option<T>> {
    if let Some(opened) = opens(secret) {
        return Ok(Some(opened));
    }
    let bytes = secret.bytes();
    let Some(line) = bytes.strip_suffix(b"\n") else {
        return Ok(None);
    };
    let line = Secret::new(line.strip_suffix(b"\r").unwrap_or(line))?;
    Ok(opens(&line))
}

impl Keys for Nobody {
    fn given(&self) -> Result<Vec<Key>> {
        Ok(Vec::new())
    }

    fn ask(&self, _question: &str) -> Option<Secret> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::error::Kind;

    /// Keys that were given, and lines that are typed.
    struct User {
        given: Vec<(Option<&'static str>, &'static str)>,
        typed: Mutex<Vec<&'static str>>,
        questions: Mutex<Vec<String>>,
    }

    impl Keys for User {
        fn given(&self) -> Result<Vec<Key>> {
            let key = |(subject, text): &(Option<&str>, &str)| {
                Ok(Key {
                    subject: subject.map(str::to_owned),
                    secret: Arc::new(Secret::new(text.as_bytes())?),
                })
            };
            self.given.iter().map(key).collect()
        }

        fn ask(&self, question: &str) -> Option<Secret> {
            lock(&self.questions).push(question.to_owned());
            let line = lock(&self.typed).pop()?;
            Some(Secret::new(line.as_bytes()).unwrap())
        }
    }

    fn user(given: &[(Option<&'static str>, &'static str)], typed: &[&'static str]) -> Arc<User> {
        Arc::new(User {
            given: given.to_vec(),
            typed: Mutex::new(typed.iter().rev().copied().collect()),
            questions: Mutex::default(),
        })
    }

    fn context(user: Arc<User>, subject: &str) -> Context {
        Context {
            keys: Keyring::new(user),
            subject: subject.to_owned(),
            ..Context::new(Cache::new(1 << 20))
        }
    }

    /// Opens what `right` opens, and says what was tried.
    fn unlock(context: &Context, right: &str) -> (Result<()>, Vec<String>) {
        let container = Container {
            format: "LUKS2",
            uuid: Some("ABCD-1"),
            wants: "a passphrase or key file",
        };
        let mut tried = Vec::new();
        let opened = context.unlock(&container, &mut |secret: &Secret| {
            tried.push(String::from_utf8_lossy(secret.bytes()).into_owned());
            Ok((secret.bytes() == right.as_bytes()).then_some(()))
        });
        (opened, tried)
    }

    #[test]
    fn keys_for_the_container_come_first_and_those_for_others_not_at_all() {
        let given = [
            (None, "any"),
            (Some("p2"), "two"),
            (Some("p3"), "three"),
            (Some("abcd-1"), "uuid"),
        ];
        let context = context(user(&given, &[]), "p3");
        let (opened, tried) = unlock(&context, "any");
        assert!(opened.is_ok());
        assert_eq!(tried, ["three", "uuid", "any"]);
        assert!(context.keys.has_useless());
    }

    #[test]
    fn a_line_break_at_the_end_is_taken_off() {
        let context = context(user(&[(None, "a\n"), (None, "b\r\n")], &[]), "disk");
        assert_eq!(unlock(&context, "a").1, ["a\n", "a"]);
        assert_eq!(unlock(&context, "b").1, ["a\n", "a", "b\r\n", "b"]);
        assert!(!context.keys.has_useless());
    }

    #[test]
    fn without_a_key_it_is_locked_and_the_error_says_what_would_open_it() {
        let asked = user(&[], &[]);
        let context = context(asked.clone(), "vg0/root");
        let error = unlock(&context, "x").0.unwrap_err();
        assert_eq!(error.kind(), Kind::Locked);
        let text = "locked: no key was given (it wants a passphrase or key file: --key \
                    vg0/root:FILE or --passphrase-fd NUMBER)";
        assert_eq!(error.to_string(), text);
        let question = "Passphrase for vg0/root (LUKS2; Enter to leave it locked): ";
        assert_eq!(*lock(&asked.questions), [question]);
        assert!(!context.keys.has_useless());
    }

    #[test]
    fn an_error_of_one_key_keeps_no_other_from_being_tried() {
        let container = Container {
            format: "LUKS2",
            uuid: None,
            wants: "a passphrase",
        };
        let try_on = |context: &Context, right: &str| {
            let mut tried = 0;
            context.unlock(&container, &mut |secret: &Secret| {
                tried += 1;
                match secret.bytes() == right.as_bytes() {
                    true => Ok(Some(())),
                    false => Err(Error::unsupported(format!("refusal {tried}"))),
                }
            })
        };
        let given = [(None, "bad"), (None, "line\n"), (None, "last")];
        let context = context(user(&given, &["typed"]), "disk");
        for right in ["line", "last", "typed"] {
            assert!(try_on(&context, right).is_ok(), "{right}");
        }
        let error = try_on(&context, "another").unwrap_err();
        assert_eq!(error.to_string(), "refusal 1");
    }

    #[test]
    fn three_wrong_passphrases_are_enough_and_a_right_one_serves_the_next_container() {
        let asked = user(&[], &["a", "b", "c", "d"]);
        let context = context(asked.clone(), "p1");
        let error = unlock(&context, "d").0.unwrap_err();
        assert!(error.to_string().starts_with("locked: none of 3 keys"));
        assert!(context.keys.has_useless());
        assert!(unlock(&context, "d").0.is_ok());
        assert_eq!(lock(&asked.questions).len(), 4);
        assert!(unlock(&context, "d").0.is_ok());
        assert_eq!(lock(&asked.questions).len(), 4);
    }

    #[test]
    fn an_opened_container_is_called_after_what_it_lies_in() {
        let named = |subject: &str| context(user(&[], &[]), subject).named("luks");
        assert_eq!(named("disk"), "/luks");
        assert_eq!(named("p3"), "/luks-p3");
        assert_eq!(named("vg0/root"), "/luks-vg0-root");
    }
}
