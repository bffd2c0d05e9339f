//! LVM2's text format: sections in braces, and `name = value`, where a value is a number, a string
//! in quotes or a list of them in brackets (lvm.conf(5) has the grammar; libdm/libdm-config.c reads
//! it). What is read here borrows from the text; depth and number of values are bounded.

use std::borrow::Cow;

use crate::error::{Error, Result, ResultExt};
use crate::number::to_u64;

/// How deep sections and lists may nest. LVM2's own go four deep.
const DEPTH: usize = 32;

/// How many values there may be: 40,000 logical volumes have half a million.
const MOST_VALUES: usize = 1 << 20;

/// What stands in a pair of braces, in its order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Section<'a> {
    entries: Vec<(&'a [u8], Value<'a>)>,
}

/// What a name stands for.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Number(i64),
    Text(Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
    Section(Section<'a>),
}

/// Parses all of `text`.
///
/// # Errors
/// `Corrupt`, with the place in the text; `Unsupported` for what is deeper or more than the bounds.
pub(super) fn parse(text: &[u8]) -> Result<Section<'_>> {
    let mut parser = Parser {
        text,
        at: 0,
        left: MOST_VALUES,
    };
    parser.section(0).context(|| "metadata text")
}

impl<'a> Section<'a> {
    fn get(&self, name: &str) -> Option<&Value<'a>> {
        let mut entries = self.entries.iter();
        let found = entries.find(|(key, _)| *key == name.as_bytes());
        found.map(|(_, value)| value)
    }

    /// The section called `name`.
    pub(super) fn section(&self, name: &str) -> Option<&Section<'a>> {
        match self.get(name)? {
            Value::Section(section) => Some(section),
            _ => None,
        }
    }

    /// All sections in it, by name.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&'a [u8], &Section<'a>)> {
        self.entries.iter().filter_map(|(name, value)| match value {
            Value::Section(section) => Some((*name, section)),
            _ => None,
        })
    }

    /// The number called `name`; `None` where there is none, or something else.
    ///
    /// # Errors
    /// `Corrupt` for one below zero.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        match self.get(name) {
            Some(Value::Number(number)) => u64::try_from(*number)
                .map(Some)
                .map_err(|_| Error::corrupt(format!("{name} is {number}"))),
            _ => Ok(None),
        }
    }

    /// The same, where there has to be one.
    ///
    /// # Errors
    /// `Corrupt` for none as well.
    pub(super) fn need(&self, name: &str) -> Result<u64> {
        let number = self.number(name)?;
        number.ok_or_else(|| Error::corrupt(format!("there is no number called {name}")))
    }

    /// The string called `name`.
    pub(super) fn text(&self, name: &str) -> Option<&[u8]> {
        self.get(name)?.as_text()
    }

    /// The list called `name`; a single value counts as one of it.
    pub(super) fn list(&self, name: &str) -> &[Value<'a>] {
        match self.get(name) {
            Some(Value::List(list)) => list,
            Some(Value::Section(_)) | None => &[],
            Some(value) => std::slice::from_ref(value),
        }
    }

    /// The strings of the list called `name`.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.list(name).iter().filter_map(Value::as_text)
    }

    /// Whether `word` is among the strings of the list called `name`.
    pub(super) fn says(&self, name: &str, word: &str) -> bool {
        self.texts(name).any(|text| text == word.as_bytes())
    }
}

impl Value<'_> {
    /// The string that it is.
    pub(super) fn as_text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number that it is, where not below zero.
    pub(super) fn as_number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// How many more values there may be.
    left: usize,
}

impl<'a> Parser<'a> {
    /// The next byte that is neither blank nor in a comment.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.skip(),
                b'#' => {
                    self.take_while(|byte| byte != b'\n');
                }
                byte => return Some(byte),
            }
        }
    }

    fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn take_while(&mut self, is_part: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|byte| !is_part(*byte));
        let taken = rest.get(..len.unwrap_or(rest.len())).unwrap_or_default();
        self.at = self.at.saturating_add(taken.len());
        taken
    }

    fn wrong(&self, what: &str) -> Error {
        Error::corrupt(what).at(to_u64(self.at))
    }

    /// What stands up to the closing brace; outside of all braces, up to the end.
    fn section(&mut self, depth: usize) -> Result<Section<'a>> {
        self.check_depth(depth)?;
        let mut section = Section::default();
        loop {
            match (self.peek(), depth) {
                (None, 0) => return Ok(section),
                // LVM2 counts the zero byte behind the text as part of it.
                (Some(0), 0) if self.rest_is_zeros() => return Ok(section),
                (None, _) => return Err(self.wrong("a section does not end")),
                (Some(b'}'), 1..) => {
                    self.skip();
                    return Ok(section);
                }
                _ => section.entries.push(self.entry(depth)?),
            }
        }
    }

    fn rest_is_zeros(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.iter().all(|byte| *byte == 0)
    }

    fn check_depth(&self, depth: usize) -> Result<()> {
        if depth > DEPTH {
            let text = format!("sections nest more than {DEPTH} deep");
            return Err(Error::unsupported(text).at(to_u64(self.at)));
        }
        Ok(())
    }

    /// One more value.
    fn count(&mut self) -> Result<()> {
        let left = self.left.checked_sub(1).ok_or_else(|| {
            let text = format!("more than {MOST_VALUES} values");
            Error::unsupported(text).at(to_u64(self.at))
        })?;
        self.left = left;
        Ok(())
    }

    fn entry(&mut self, depth: usize) -> Result<(&'a [u8], Value<'a>)> {
        self.count()?;
        let name = self.take_while(|byte| !b" \t\n\r#={}[],\"\0".contains(&byte));
        if name.is_empty() {
            return Err(self.wrong("a name should stand here"));
        }
        match self.peek() {
            Some(b'{') => {
                self.skip();
                let inside = self.section(depth.saturating_add(1))?;
                Ok((name, Value::Section(inside)))
            }
            Some(b'=') => {
                self.skip();
                Ok((name, self.value(depth)?))
            }
            _ => Err(self.wrong("neither = nor { stands behind a name")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>> {
        self.check_depth(depth)?;
        match self.peek() {
            Some(b'[') => {
                self.skip();
                self.items(depth)
            }
            Some(b'"') => {
                self.skip();
                self.quoted()
            }
            _ => self.bare(),
        }
    }

    fn items(&mut self, depth: usize) -> Result<Value<'a>> {
        let mut list = Vec::new();
        loop {
            match self.peek() {
                Some(b']') => {
                    self.skip();
                    return Ok(Value::List(list));
                }
                Some(b',') => self.skip(),
                Some(_) => {
                    self.count()?;
                    list.push(self.value(depth.saturating_add(1))?);
                }
                None => return Err(self.wrong("a list does not end")),
            }
        }
    }

    fn quoted(&mut self) -> Result<Value<'a>> {
        let mut text = Cow::Borrowed(self.plain());
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.skip();
                    return Ok(Value::Text(text));
                }
                Some(b'\\') => {
                    self.skip();
                    let escaped = self.text.get(self.at).copied();
                    text.to_mut().extend(escaped);
                    self.skip();
                    let more = self.plain();
                    text.to_mut().extend(more);
                }
                Some(_) => return Err(self.wrong("a zero byte stands in a string")),
                None => return Err(self.wrong("a string does not end")),
            }
        }
    }

    fn plain(&mut self) -> &'a [u8] {
        self.take_while(|byte| !b"\"\\\0".contains(&byte))
    }

    fn bare(&mut self) -> Result<Value<'a>> {
        let word =
            self.take_while(|byte| byte.is_ascii_alphanumeric() || b"+-._@/".contains(&byte));
        if word.is_empty() {
            return Err(self.wrong("a value should stand here"));
        }
        let number = std::str::from_utf8(word)
            .ok()
            .and_then(|it| it.parse().ok());
        Ok(number.map_or(Value::Text(Cow::Borrowed(word)), Value::Number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &[u8]) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn sections_strings_numbers_and_lists_are_read() {
        let text = b"vg {\n id = \"a-b\" # why\n size=8192\n tags = [\"x\", \"y\\\"z\\\\\"]\n one = [\"pv0\", 5]\n none = []\n}\nversion = 1\n\0";
        let all = parse(text).unwrap();
        let group = all.section("vg").unwrap();
        assert_eq!(group.text("id"), Some(&b"a-b"[..]));
        assert_eq!(group.need("size"), Ok(8192));
        let tags: Vec<_> = group.texts("tags").collect();
        assert_eq!(tags, [&b"x"[..], b"y\"z\\"]);
        assert_eq!(group.list("one")[1].as_number(), Some(5));
        assert!(group.list("none").is_empty() && group.list("nothing").is_empty());
        assert_eq!(all.need("version"), Ok(1));
        assert_eq!(all.sections().count(), 1);
    }

    #[test]
    fn what_is_not_there_or_below_zero_is_said() {
        let all = parse(b"a = -1 b = \"x\"").unwrap();
        assert_eq!(all.need("a").unwrap_err().message(), "a is -1");
        assert!(all.need("b").is_err() && all.number("b") == Ok(None));
    }

    #[test]
    fn l03_a_text_that_breaks_the_grammar_says_where() {
        assert_eq!(
            message(b"a = \"x"),
            "metadata text: a string does not end at byte 0x6"
        );
        assert_eq!(
            message(b"a = \"x\0\""),
            "metadata text: a zero byte stands in a string at byte 0x6"
        );
        assert!(message(b"a {").contains("a section does not end"));
        assert!(message(b"a = [1, ").contains("a list does not end"));
        assert!(message(b"}").contains("a name should stand here"));
        assert!(message(b"a 5").contains("neither = nor {"));
        assert!(message(b"a = ").contains("a value should stand here"));
        assert!(message(b"a = 1 \0 b = 2").contains("a name should stand here"));
    }

    #[test]
    fn l03_depth_and_number_of_values_are_bounded() {
        let deep = "a{".repeat(100_000);
        assert!(message(deep.as_bytes()).contains("sections nest more than 32 deep"));
        let deep = format!("a={}", "[".repeat(100_000));
        assert!(message(deep.as_bytes()).contains("sections nest more than 32 deep"));
        let many = "a=1 ".repeat(MOST_VALUES + 1);
        assert!(message(many.as_bytes()).contains("more than 1048576 values"));
    }
}
