//! What volumes lie on, as lines for people and as JSON.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::json::Object;
use super::super::size::human;
use super::text::cut;
use crate::format::{Ground, Makeup, Stretch};
use crate::stack::{Content, Node};

/// How many stretches of a volume, or hidden volumes, people see.
const FEW: usize = 10;

/// What a manager says that its volumes lie on.
pub(super) struct Graph<'a> {
    /// The nodes that are its members, in the order in which it knows them.
    members: &'a [String],
    made: &'a [Makeup],
    nodes: &'a [Node],
    shown: HashMap<usize, &'a Makeup>,
}

impl<'a> Graph<'a> {
    /// Of the volumes in `content`, whose members are `members`.
    pub(super) fn new(content: &'a Content, members: &'a [String]) -> Self {
        let described = content.described();
        let made = described.map_or(&[][..], |(_, description)| &description.volumes);
        let shown = made.iter().filter_map(|it| Some((it.shown?, it)));
        Self {
            members,
            made,
            nodes: content.children(),
            shown: shown.collect(),
        }
    }

    /// The lines for the volume that is shown as number `index`.
    pub(super) fn lines(&self, index: usize) -> Vec<String> {
        let made = self.shown.get(&index);
        made.map_or_else(Vec::new, |made| self.lines_of(made))
    }

    /// The hidden volumes: a heading and its lines each.
    pub(super) fn hidden(&self) -> Vec<(String, Vec<String>)> {
        let hidden = || self.made.iter().filter(|made| made.shown.is_none());
        let lines = |made: &Makeup| {
            let size = made.size.map(|size| format!("  {}", human(size)));
            let name = cut(made.name.as_bytes());
            let heading = format!("hidden: {name}{}", size.unwrap_or_default());
            (heading, self.lines_of(made))
        };
        let mut all: Vec<_> = hidden().take(FEW).map(lines).collect();
        let more = hidden().count().saturating_sub(FEW);
        if more > 0 {
            all.push((format!("and {more} more hidden volumes"), Vec::new()));
        }
        all
    }

    fn lines_of(&self, made: &Makeup) -> Vec<String> {
        let usage = made.usage.get();
        let uuid = made.uuid.as_ref();
        let uuid = uuid.map(|uuid| format!("UUID={}", cut(uuid.as_bytes())));
        let mapped = usage.allocated.map(|it| format!("{} mapped", human(it)));
        let facts = made.facts.iter().chain(&usage.facts).map(fact);
        let words: Vec<String> = uuid.into_iter().chain(mapped).chain(facts).collect();
        let mut lines = match words.is_empty() {
            true => Vec::new(),
            false => vec![words.join("; ")],
        };
        let is_one = made.stretches.len() == 1;
        let stretches = made.stretches.iter().take(FEW);
        lines.extend(stretches.map(|stretch| self.line_of(stretch, is_one)));
        let more = made.stretches.len().saturating_sub(FEW);
        lines.extend((more > 0).then(|| format!("and {more} more pieces")));
        lines
    }

    fn line_of(&self, stretch: &Stretch, is_one: bool) -> String {
        let place = format!("{} at {}: ", human(stretch.len), human(stretch.start));
        let place = if is_one { String::new() } else { place };
        let kind = cut(stretch.kind.as_bytes());
        let on: Vec<String> = stretch
            .on
            .iter()
            .take(FEW)
            .map(|it| self.ground(it))
            .collect();
        let more = stretch.on.len().saturating_sub(on.len());
        let mut line = match on.is_empty() {
            true => format!("{place}{kind}"),
            false => format!("{place}{kind} on {}", on.join(", ")),
        };
        if more > 0 {
            line.push_str(&format!(" and {more} more"));
        }
        for stated in &stretch.facts {
            line.push_str(&format!("; {}", fact(stated)));
        }
        line
    }

    fn ground(&self, ground: &Ground) -> String {
        let at = |offset: u64| match offset {
            0 => String::new(),
            offset => format!(" at {}", human(offset)),
        };
        match ground {
            Ground::Member { member, offset } => {
                let name = self.member(*member).unwrap_or("an unknown member");
                format!("{}{}", cut(name.as_bytes()), at(*offset))
            }
            Ground::Missing { id } => format!("{} (missing)", cut(id.as_bytes())),
            Ground::Volume { name, offset } => format!("{}{}", cut(name.as_bytes()), at(*offset)),
        }
    }

    fn member(&self, index: usize) -> Option<&'a str> {
        self.members.get(index).map(String::as_str)
    }

    /// All of it as JSON.
    pub(super) fn json(&self) -> Value {
        self.made.iter().map(|made| self.made_json(made)).collect()
    }

    fn made_json(&self, made: &Makeup) -> Value {
        let node = made.shown.and_then(|index| self.nodes.get(index));
        let usage = made.usage.get();
        let stretch = |stretch: &Stretch| {
            let on = stretch.on.iter().map(|ground| self.ground_json(ground));
            json!({
                "start": stretch.start,
                "length": stretch.len,
                "kind": stretch.kind,
                "facts": facts(stretch.facts.iter()),
                "on": on.collect::<Value>(),
            })
        };
        json!({
            "name": made.name,
            "node": node.map(|node| node.name.as_str()),
            "uuid": made.uuid,
            "size": made.size,
            "allocated": usage.allocated,
            "facts": facts(made.facts.iter().chain(&usage.facts)),
            "segments": made.stretches.iter().map(stretch).collect::<Value>(),
        })
    }

    fn ground_json(&self, ground: &Ground) -> Value {
        match ground {
            Ground::Member { member, offset } => {
                json!({"member": self.member(*member), "offset": offset})
            }
            Ground::Missing { id } => json!({ "missing": id }),
            Ground::Volume { name, offset } => json!({"volume": name, "offset": offset}),
        }
    }
}

fn fact((name, value): &(&'static str, String)) -> String {
    format!("{name}: {}", cut(value.as_bytes()))
}

fn facts<'a>(facts: impl Iterator<Item = &'a (&'static str, String)>) -> Object {
    let pair =
        |(name, value): &(&'static str, String)| ((*name).to_owned(), Value::from(value.as_str()));
    facts.map(pair).collect()
}
