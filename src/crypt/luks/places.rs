//! Where in LUKS2's JSON a value stands: what reads it keeps no places, and an error names the byte.

use crate::number::to_u64;

/// A value of a text that was read as JSON before, by where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    text: &'a [u8],
    at: usize,
    /// The byte of the source that the text begins at.
    start: u64,
}

impl<'a> Place<'a> {
    /// All of `text`, which begins at byte `start`.
    pub(super) fn new(text: &'a [u8], start: u64) -> Self {
        let mut place = Self { text, at: 0, start };
        place.skip_blanks();
        place
    }

    /// The member called `name` of this object; where there is none, the object is what lacks it.
    pub(super) fn member(self, name: &str) -> Self {
        self.find(name.as_bytes()).unwrap_or(self)
    }

    /// The member with this number for a name.
    pub(super) fn number(self, number: u32) -> Self {
        self.member(&number.to_string())
    }

    /// The byte of the source that it begins at.
    pub(super) fn byte(self) -> u64 {
        self.start.saturating_add(to_u64(self.at))
    }

    fn find(mut self, name: &[u8]) -> Option<Self> {
        self.take(b'{')?;
        while self.peek()? != b'}' {
            let key = self.at;
            self.skip_string()?;
            let key = self.text.get(key..self.at)?;
            self.skip_blanks();
            self.take(b':')?;
            self.skip_blanks();
            let is_it = key
                .strip_prefix(b"\"")
                .and_then(|key| key.strip_suffix(b"\""))
                == Some(name);
            if is_it {
                return Some(self);
            }
            self.skip_value()?;
            self.skip_blanks();
            if self.take(b',').is_some() {
                self.skip_blanks();
            }
        }
        None
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Goes over `byte` and what is blank behind it, if it stands here.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| {
            self.step();
            self.skip_blanks();
        })
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.step();
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        self.step();
        loop {
            let byte = self.peek()?;
            self.step();
            match byte {
                b'"' => return Some(()),
                b'\\' => self.step(),
                _ => {}
            }
        }
    }

    /// Goes over a value, however deep.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match self.peek()? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => {
                    depth = depth.saturating_add(1);
                    self.step();
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.step();
                }
                _ => self.step(),
            }
            let is_over = matches!(self.peek(), None | Some(b',' | b'}' | b']'));
            if depth == 0 && is_over {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#" { "a" : {"b,}": [1, {"x": "]\"}"}], "c":5 } , "0":{"c" : "d"},"e":{}}"#;

    fn place() -> Place<'static> {
        Place::new(TEXT.as_bytes(), 4096)
    }

    /// Where `word` stands.
    fn byte(word: &str) -> u64 {
        to_u64(4096_usize.saturating_add(TEXT.find(word).unwrap()))
    }

    #[test]
    fn a_member_is_found_behind_whatever_stands_before_it() {
        assert_eq!(place().byte(), byte("{"));
        assert_eq!(place().member("a").byte(), byte("{\"b"));
        assert_eq!(place().member("a").member("c").byte(), byte("5"));
        assert_eq!(place().number(0).member("c").byte(), byte("\"d\""));
        assert_eq!(place().member("e").byte(), byte("{}"));
    }

    #[test]
    fn what_is_not_there_is_lacked_by_the_object() {
        assert_eq!(place().member("b").byte(), byte("{"));
        assert_eq!(place().member("e").member("x").byte(), byte("{}"));
        assert_eq!(
            place().member("a").member("c").member("x").byte(),
            byte("5")
        );
    }
}
