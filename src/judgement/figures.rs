//! What of a case stands in figures in its finding: rates, curves and types.

use std::collections::BTreeMap;

use crate::{
    finding::{Curve, Kind, Rate, Site, TypeGrowth},
    run::case::Case,
};

/// Types of a finding that a report keeps.
const TYPES_KEPT: usize = 8;

/// Every counter that was read, with what was fitted to it.
pub(super) fn curves(case: &Case) -> Vec<Curve> {
    super::kept(&case.series)
        .into_iter()
        .map(|(counter, readings)| Curve {
            counter,
            readings,
            rate: case.fits.get(&counter).map(|fit| Rate::from(fit.rate)),
        })
        .collect()
}

/// How fast it grows, by counter, and `bytes` where the places tell.
pub(super) fn rates(
    case: &Case,
    alone: bool,
    kind: Kind,
    sites: &[Site],
) -> BTreeMap<String, Rate> {
    let mut found = BTreeMap::new();
    for (counter, fit) in &case.fits {
        if alone || kind.is_of(*counter) {
            found.insert(counter.name().to_owned(), Rate::from(fit.rate));
        }
    }
    if !sites.is_empty() && !matches!(kind, Kind::Native | Kind::Map) {
        let total = |of: fn(&Site) -> f64| sites.iter().map(of).sum::<f64>();
        let plain = |value: f64| Rate {
            value,
            interval: [value, value],
            exact: false,
        };
        let count = total(|site| site.count);
        let blocks = found.get("blocks").map_or(count, |rate| rate.value);
        // Where the places are those of a small part, their bytes are not those of what stays.
        if count * 2.0 >= blocks {
            found.insert("bytes".to_owned(), plain(total(|site| site.bytes)));
        }
        found
            .entry("blocks".to_owned())
            .or_insert_with(|| plain(count));
    }
    found
}

/// Of which types there is more.
pub(super) fn types(case: &Case) -> Vec<TypeGrowth> {
    case.types
        .iter()
        .take(TYPES_KEPT)
        .map(TypeGrowth::traced)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fit::{self, Exactness},
        verdict::Counter,
    };

    #[test]
    fn places_of_a_small_part_do_not_tell_the_size() {
        let site = |count| Site {
            file: "a.py".to_owned(),
            line: 1,
            function: "f".to_owned(),
            count,
            bytes: 100.0,
            source: None,
            excerpt: None,
            owner: None,
            callers: Vec::new(),
        };
        let mut case = Case::open(0);
        let fit = fit::fit(&[0, 113, 226, 339, 452, 565], Exactness::Exact);
        case.fits.insert(Counter::Blocks, fit);
        let bytes = |count| rates(&case, true, Kind::Python, &[site(count)]).contains_key("bytes");
        assert!(!bytes(10.0) && bytes(100.0));
    }
}
