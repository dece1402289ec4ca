//! Places in the source as a report shows them: with function, text, the lines around and the callers.

use super::{
    machine,
    native::Homes,
    quoted::{self, excerpt},
};
use crate::{
    explain::{native::Passage, sites::Growth},
    finding::{Frame, Owner, Site, UNKNOWN},
    heap::owner::Places,
    run::{Run, diagnosis::FRAMES_SHOWN},
};

/// Sites of a finding that a report keeps.
const KEPT: usize = 8;

pub(super) fn function_of(run: &Run, place: &(String, u32)) -> String {
    run.sources
        .get(place)
        .map_or_else(|| UNKNOWN.to_owned(), |(function, _)| function.clone())
}

/// What grows at places of the source, largest first.
pub(super) fn of_growths<'a>(
    run: &Run,
    places: &Places,
    growths: impl Iterator<Item = &'a Growth>,
) -> Vec<Site> {
    let mut found: Vec<Site> = Vec::new();
    for growth in growths {
        let (file, line) = growth.place();
        // Of memory that no Python code asked for, such as what a thread begins with, tracemalloc says `<unknown>`, line 0.
        if *line == 0 {
            continue;
        }
        let (count, bytes) = (growth.count.rate.value, growth.bytes.rate.value);
        let shown = places.show(file);
        // One line may allocate through several calls; the reader sees the line once.
        if let Some(same) = found
            .iter_mut()
            .find(|site| site.file == shown && site.line == *line)
        {
            same.count += count;
            same.bytes += bytes;
            continue;
        }
        found.push(site(
            run,
            places,
            growth.frames.get(growth.chosen..).unwrap_or_default(),
            (count, bytes),
        ));
    }
    sorted(found)
}

/// Adds those of further tests that are not there yet.
pub(super) fn add(sites: &mut Vec<Site>, further: Vec<Site>) {
    for site in further {
        let known = |other: &Site| other.file == site.file && other.line == site.line;
        if sites.len() < KEPT && !sites.iter().any(known) {
            sites.push(site);
        }
    }
}

/// Where native memory that stays is allocated, in the order of the passages: in the source of machine code, where that is the project's
/// and known, and otherwise where Python calls it. And where Python calls what allocates most.
pub(super) fn of_passages(
    run: &Run,
    homes: &Homes<'_>,
    passages: &[&Passage],
) -> (Vec<Site>, Option<Site>) {
    let places = homes.places;
    let mut found: Vec<Site> = Vec::new();
    let mut called = None;
    for (at, passage) in passages.iter().enumerate() {
        let frames = passage.shown(places);
        let python = (!frames.is_empty()).then(|| site(run, places, frames, (0.0, passage.bytes)));
        let native = homes.function(passage);
        let machine = native
            .and_then(|native| machine::site(places, &native, passage.bytes, python.as_ref()));
        if at == 0 {
            called.clone_from(&python);
        }
        let Some(site) = machine.or(python) else {
            continue;
        };
        match { found.iter_mut() }.find(|other| other.file == site.file && other.line == site.line)
        {
            Some(same) => {
                same.count += site.count;
                same.bytes += site.bytes;
            }
            None => found.push(site),
        }
    }
    found.truncate(KEPT);
    (found, called)
}

fn sorted(mut found: Vec<Site>) -> Vec<Site> {
    found.sort_by(|a, b| {
        b.bytes
            .total_cmp(&a.bytes)
            .then_with(|| (&a.file, a.line).cmp(&(&b.file, b.line)))
    });
    found.truncate(KEPT);
    found
}

/// The first of some frames, innermost first, with those that called it.
pub(super) fn site(
    run: &Run,
    places: &Places,
    frames: &[(String, u32)],
    amount: (f64, f64),
) -> Site {
    let place = &frames[0];
    Site {
        file: places.show(&place.0),
        line: place.1,
        function: function_of(run, place),
        count: amount.0,
        bytes: amount.1,
        source: quoted::line(run, places, place),
        excerpt: excerpt(places, place),
        owner: places.owner(&place.0),
        callers: frames
            .iter()
            .skip(1)
            .take(FRAMES_SHOWN - 1)
            .take_while(|frame| places.owner(&frame.0) != Some(Owner::Runner))
            .map(|frame| Frame {
                file: places.show(&frame.0),
                line: frame.1,
                function: function_of(run, frame),
                owner: places.owner(&frame.0),
            })
            .collect(),
    }
}

/// Puts the first place in code of the project or a dependency in front of those of the standard library.
pub(super) fn reader_first(sites: &mut [Site]) {
    let is_users = |site: &Site| site.owner.is_some_and(Owner::is_users);
    if let Some(at) = sites.iter().position(is_users) {
        sites[..=at].rotate_right(1);
    }
}

/// Puts the place where the object that tells most was allocated first: more bytes may be allocated elsewhere for it.
pub(super) fn bring_forward(
    sites: &mut Vec<Site>,
    run: &Run,
    places: &Places,
    born: &[(String, u32)],
) {
    let Some((file, line)) = born.first() else {
        return;
    };
    let is_users = |owner: Option<Owner>| owner.is_some_and(Owner::is_users);
    // The text of a doctest is the reader's, and has what it calls in a file: from a free list comes what the text made before.
    let is_text = |file: &str| file.starts_with('<');
    let is_behind = is_text(file) || !is_users(places.owner(file));
    if is_behind && { sites.first() }
        .is_some_and(|site| is_users(site.owner) && !is_text(&site.file))
    {
        // The frames do not reach as far as the reader's code.
        return;
    }
    let file = places.show(file);
    let at = sites
        .iter()
        .position(|site| site.file == file && site.line == *line);
    let site = match at {
        Some(at) => sites.remove(at),
        // From a free list: nothing is counted for it here.
        None => site(run, places, born, (0.0, 0.0)),
    };
    sites.insert(0, site);
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    #[test]
    fn an_excerpt_keeps_within_its_file() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("app.py");
        fs::write(&file, "one\ntwo\nthree\nfour\n").unwrap();
        let places = Places {
            project: root.path().to_owned(),
            packages: Vec::new(),
            stdlib: Vec::new(),
            bridge: PathBuf::new(),
        };
        let around = |line: u32| {
            let found = excerpt(&places, &(file.to_str().unwrap().to_owned(), line))?;
            Some((found.first, found.text))
        };
        let said = |first: u32, text: &str| Some((first, text.to_owned()));
        assert_eq!(around(1), said(1, "one\ntwo"));
        assert_eq!(around(3), said(1, "one\ntwo\nthree\nfour"));
        assert_eq!(around(4), said(2, "two\nthree\nfour"));
        // What is no line of this file: before its first, after its last, and the last there can be.
        for line in [0, 6, u32::MAX] {
            assert_eq!(around(line), None, "{line}");
        }
    }
}
