//! The disk map: a bar that shows where on the disk each volume lies.

use crate::number::{to_u64, to_usize};
use crate::stack::Node;

/// The widest bar; more columns say nothing more.
const WIDEST: usize = 100;

/// A bar of up to `width` columns for a disk of `size` bytes; `None` where no volume has a place.
/// A volume is as wide as its share, at least one column: `[p1==]`, or `|` where it is narrower
/// than its name; free space is dots. Extended partitions, which hold others, are left out.
pub(super) fn bar(size: u64, volumes: &[Node], width: usize) -> Option<String> {
    let columns = width.min(WIDEST);
    let mut placed: Vec<(&str, u64, u64)> = volumes
        .iter()
        .filter(|node| !node.partition.as_ref().is_some_and(|entry| entry.container))
        .filter_map(|node| Some((node.name.as_str(), node.location?.0, node.location?.1)))
        .collect();
    placed.sort_by_key(|volume| volume.1);
    if placed.is_empty() || size == 0 || columns < 2 {
        return None;
    }
    let mut cells: Vec<Option<usize>> = vec![None; columns];
    for (index, (_, start, length)) in placed.iter().enumerate() {
        let first = column(*start, size, columns).min(columns.saturating_sub(1));
        let end = column(start.saturating_add(*length), size, columns).min(columns);
        let end = end.max(first.saturating_add(1));
        for cell in cells.iter_mut().take(end).skip(first) {
            cell.get_or_insert(index);
        }
    }
    let runs = cells.chunk_by(|a, b| a == b);
    Some(runs.map(|run| draw(run, &placed)).collect())
}

/// The column of a byte.
fn column(offset: u64, size: u64, columns: usize) -> usize {
    let product = u128::from(offset).saturating_mul(u128::from(to_u64(columns)));
    let column = product.checked_div(u128::from(size)).unwrap_or(0);
    to_usize(u64::try_from(column).unwrap_or(u64::MAX))
}

fn draw(run: &[Option<usize>], placed: &[(&str, u64, u64)]) -> String {
    let length = run.len();
    let volume = run
        .first()
        .copied()
        .flatten()
        .and_then(|index| placed.get(index));
    let Some((name, ..)) = volume else {
        return "·".repeat(length);
    };
    let name = crate::error::printable(name.as_bytes());
    match length.checked_sub(2) {
        Some(inside) if name.chars().count() <= inside => format!("[{name:=<inside$}]"),
        Some(inside) => format!("[{}]", "=".repeat(inside)),
        None => "|".repeat(length),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::volume;
    use super::*;

    #[test]
    fn each_volume_has_its_share_and_free_space_is_dots() {
        let volumes = [volume("p1", 100, 300), volume("p2", 500, 500)];
        assert_eq!(
            bar(1000, &volumes, 20).as_deref(),
            Some("··[p1==]··[p2======]")
        );
    }

    #[test]
    fn a_small_volume_has_a_column_all_the_same() {
        let volumes = [
            volume("p1", 0, 1),
            volume("p2", 1, 1),
            volume("p3", 900, 100),
        ];
        assert_eq!(bar(1000, &volumes, 10).as_deref(), Some("|········|"));
        let wide = bar(1 << 40, &[volume("p128", (1 << 40) - 1, 1)], 1000);
        assert_eq!(wide.map(|bar| bar.chars().count()), Some(WIDEST));
    }

    #[test]
    fn nonsense_places_do_no_harm() {
        let volumes = [volume("p1", u64::MAX, u64::MAX), volume("p2", 0, 0)];
        assert_eq!(bar(1000, &volumes, 10).as_deref(), Some("|········|"));
        assert_eq!(bar(0, &volumes, 10), None);
        assert_eq!(bar(1000, &[], 10), None);
    }
}
