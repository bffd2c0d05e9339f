//! Hard links: members that have no bytes, but the name of a member before them that has.

use std::collections::HashMap;

use super::entry::Member;
use crate::error::printable;
use crate::format::Notices;

/// `members` with the bytes of what they are links of: of the last member of that name before them,
/// as it would be unpacked. A link of nothing that is there is left out, and that is said once.
pub(super) fn resolve(members: Vec<Member>, notices: &Notices) -> Vec<Member> {
    if members.iter().all(|member| member.link.is_none()) {
        return members;
    }
    let mut last: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut found: Vec<Member> = Vec::new();
    let (mut first, mut others) = (None, 0_usize);
    for member in members {
        let before = |name: &Vec<u8>| found.get(*last.get(name)?).cloned();
        let resolved = match member.link.as_ref().map(before) {
            None => member,
            Some(Some(of)) => Member {
                name: member.name,
                ..of
            },
            Some(None) => {
                others = others.saturating_add(usize::from(first.is_some()));
                first.get_or_insert(member);
                continue;
            }
        };
        last.insert(resolved.name.clone(), found.len());
        found.push(resolved);
    }
    if let Some(first) = first {
        notices.add(left_out(&first, others));
    }
    found
}

/// That the link `first` is left out, and `others`.
fn left_out(first: &Member, others: usize) -> String {
    let name = printable(&first.name);
    let link = printable(first.link.as_deref().unwrap_or_default());
    let more = match others {
        0 => String::new(),
        others => format!(", and so are {others} more"),
    };
    format!("tar: {name} is left out: it is a link of {link}, which is no file before it{more}")
}
