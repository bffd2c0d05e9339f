//! Which volumes of a group are to be seen where snapshots make others of them than their flags say:
//! what LVM2 does with a text that it has read (`init_snapshot_seg`, `init_snapshot_merge` and
//! `lv_is_visible` of lib/metadata/snapshot_manip.c).

use super::group::{Group, Logical};
use super::kinds::Stacked;
use super::segment::Kind;

/// What one volume makes of another.
enum Change {
    Show(usize),
    Hide(usize),
    /// A thin volume that another one is merged into is that one, by its number in the pool, as
    /// soon as the group is activated (`_thin_add_target_line` of lib/thin/thin.c).
    Become(usize, u64),
}

/// Makes the volumes of `group` visible or hidden, and what they are once it is activated. A volume
/// that names one that is not there stays what its flags say, so that it is seen what it lacks.
pub(super) fn settle(group: &mut Group) {
    let all = group.logical.iter().enumerate();
    let changes: Vec<Change> = all
        .filter_map(|(index, logical)| changes(group, index, logical))
        .flatten()
        .collect();
    for change in changes {
        match change {
            Change::Show(index) => set_visible(group, index, true),
            Change::Hide(index) => set_visible(group, index, false),
            Change::Become(index, number) => {
                if let Some(device) = group.logical.get_mut(index).and_then(thin_device) {
                    *device = number;
                }
            }
        }
    }
}

/// What the volume number `index` of `group` is about, if it is a snapshot.
fn changes(group: &Group, index: usize, logical: &Logical) -> Option<[Change; 2]> {
    match stacked(logical)? {
        // LVM2 flags as visible what only says what is a snapshot of what, and shows its store.
        Stacked::Snapshot {
            origin,
            store,
            merges,
        } => {
            let (_, store) = (group.number(origin).ok()?, group.number(store).ok()?);
            let store = match merges {
                true => Change::Hide(store),
                false => Change::Show(store),
            };
            Some([Change::Hide(index), store])
        }
        Stacked::Thin { device, merge, .. } => {
            let origin = group.number(merge.as_deref()?).ok()?;
            let is_thin = matches!(stacked(group.logical.get(origin)?)?, Stacked::Thin { .. });
            is_thin.then_some([Change::Hide(index), Change::Become(origin, *device)])
        }
        _ => None,
    }
}

/// What the only segment of `logical` stands on.
fn stacked(logical: &Logical) -> Option<&Stacked> {
    match logical.segments.as_deref().ok()? {
        [segment] => match &segment.kind {
            Kind::Stacked(stacked) => Some(stacked),
            _ => None,
        },
        _ => None,
    }
}

fn set_visible(group: &mut Group, index: usize, is_visible: bool) {
    if let Some(logical) = group.logical.get_mut(index) {
        logical.is_visible = is_visible;
    }
}

fn thin_device(logical: &mut Logical) -> Option<&mut u64> {
    match logical.segments.as_deref_mut().ok()? {
        [segment] => match &mut segment.kind {
            Kind::Stacked(Stacked::Thin { device, .. }) => Some(device),
            _ => None,
        },
        _ => None,
    }
}
