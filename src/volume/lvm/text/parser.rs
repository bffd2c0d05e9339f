//! The grammar. What is read borrows from the text.

use std::borrow::Cow;

use super::{Item, Section, Text, Value};
use crate::error::{Error, Result, ResultExt};

/// How deep sections and lists may nest. LVM2's own go four deep.
const DEPTH: usize = 32;

/// How many values there may be: 40,000 logical volumes have half a million.
pub(super) const MOST_VALUES: usize = 1 << 20;

/// What reads a text from its start on.
pub(super) struct Parser<'a> {
    whole: &'a Text,
    text: &'a [u8],
    at: usize,
    /// How many more values there may be.
    left: usize,
    /// The only sections that are read of those in a group; all without it.
    only: Option<&'static str>,
}

impl<'a> Parser<'a> {
    /// At the start of `whole`.
    pub(super) fn new(whole: &'a Text, only: Option<&'static str>) -> Self {
        Self {
            whole,
            text: &whole.bytes,
            at: 0,
            left: MOST_VALUES,
            only,
        }
    }

    /// All of the text.
    pub(super) fn all(&mut self) -> Result<Section<'a>> {
        self.section(0, 0).context(|| "metadata text")
    }

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

    fn place(&self) -> u64 {
        self.whole.place(self.at)
    }

    fn wrong(&self, what: &str) -> Error {
        Error::corrupt(what).at(self.place())
    }

    /// What stands up to the closing brace; outside of all braces, up to the end. Its name is at
    /// byte `name` of the text.
    fn section(&mut self, name: usize, depth: usize) -> Result<Section<'a>> {
        self.check_depth(depth)?;
        let mut entries = Vec::new();
        while !self.ends_section(depth)? {
            entries.push(self.entry(depth)?);
        }
        // One entry makes room for four, and a million sections may have one each.
        entries.shrink_to_fit();
        Ok(Section {
            at: self.whole.place(name),
            entries,
        })
    }

    /// Whether the section ends here; its brace is passed then.
    fn ends_section(&mut self, depth: usize) -> Result<bool> {
        match (self.peek(), depth) {
            (None, 0) => Ok(true),
            // LVM2 counts the zero byte behind the text as part of it.
            (Some(0), 0) => Ok(self.rest_is_zeros()),
            (None, _) => Err(self.wrong("a section does not end")),
            (Some(b'}'), 1..) => {
                self.skip();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// A [`Parser::section`] with nothing in it: who only wants to know which physical volumes a group has need
    /// not hold all that is on them, which may be a million values.
    fn passed_over(&mut self, name: usize) -> Result<Section<'a>> {
        let mut ends = vec![b'}'];
        while let Some(end) = ends.last().copied() {
            self.check_depth(ends.len())?;
            match self.peek() {
                Some(byte @ (b'{' | b'[')) => {
                    self.skip();
                    ends.push(if byte == b'{' { b'}' } else { b']' });
                }
                Some(b'"') => {
                    self.skip();
                    self.quoted()?;
                }
                Some(byte) if byte == end => {
                    self.skip();
                    ends.pop();
                }
                Some(0 | b'}' | b']') if end == b'}' => {
                    return Err(self.wrong("a name should stand here"));
                }
                Some(0 | b'}') => return Err(self.wrong("a list does not end")),
                Some(_) => {
                    let is_plain =
                        |byte| !matches!(byte, b'{' | b'}' | b'[' | b']' | b'"' | b'#' | 0);
                    self.take_while(is_plain);
                }
                None => return Err(self.wrong("a section does not end")),
            }
        }
        Ok(Section {
            at: self.whole.place(name),
            entries: Vec::new(),
        })
    }

    fn rest_is_zeros(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.iter().all(|byte| *byte == 0)
    }

    fn check_depth(&self, depth: usize) -> Result<()> {
        if depth > DEPTH {
            let text = format!("sections nest more than {DEPTH} deep");
            return Err(Error::unsupported(text).at(self.place()));
        }
        Ok(())
    }

    /// One more value.
    fn count(&mut self) -> Result<()> {
        let left = self.left.checked_sub(1).ok_or_else(|| {
            let text = format!("more than {MOST_VALUES} values");
            Error::unsupported(text).at(self.place())
        })?;
        self.left = left;
        Ok(())
    }

    fn entry(&mut self, depth: usize) -> Result<(&'a [u8], Item<'a>)> {
        self.count()?;
        let start = self.at;
        let is_part = |byte| {
            !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0)
                && !matches!(byte, b'#' | b'=' | b'{' | b'}' | b'[' | b']' | b',' | b'"')
        };
        let name = self.take_while(is_part);
        if name.is_empty() {
            return Err(self.wrong("a name should stand here"));
        }
        match self.peek() {
            Some(b'{') => {
                self.skip();
                let is_other = |only: &str| depth == 1 && name != only.as_bytes();
                let inside = match self.only.is_some_and(is_other) {
                    false => self.section(start, depth.saturating_add(1)),
                    true => self.passed_over(start),
                }?;
                let (at, value) = (inside.at, Value::Section(inside));
                Ok((name, Item { at, value }))
            }
            Some(b'=') => {
                self.skip();
                Ok((name, self.value(depth)?))
            }
            _ => Err(self.wrong("neither = nor { stands behind a name")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Item<'a>> {
        self.check_depth(depth)?;
        let first = self.peek();
        let at = self.place();
        let value = match first {
            Some(b'[') => {
                self.skip();
                self.items(depth)
            }
            Some(b'"') => {
                self.skip();
                self.quoted()
            }
            _ => self.bare(),
        }?;
        Ok(Item { at, value })
    }

    fn items(&mut self, depth: usize) -> Result<Value<'a>> {
        let mut list = Vec::new();
        loop {
            match self.peek() {
                Some(b']') => {
                    self.skip();
                    list.shrink_to_fit();
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
        self.take_while(|byte| !matches!(byte, b'"' | b'\\' | 0))
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
