//! Which allocation sites grow over a traced window, and which of their frames the reader should look at.

use crate::{
    finding::Owner,
    fit::{self, Exactness, Fit, Rate, Shape},
    heap::owner::Places,
};

/// A traceback that keeps growing.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// File and line of each frame, innermost first.
    pub frames: Vec<(String, u32)>,
    /// Which of them is the reader's: the innermost one outside the interpreter and the runner.
    pub chosen: usize,
    /// Whose code the chosen frame is.
    pub owner: Owner,
    /// Whether frames are missing that could change the choice.
    pub too_shallow: bool,
    /// Blocks that stay.
    pub count: Fit,
    /// Bytes that stay.
    pub bytes: Fit,
}

impl Growth {
    /// File and line shown for this growth.
    pub fn place(&self) -> &(String, u32) {
        &self.frames[self.chosen]
    }

    /// The same as text, by which growth in several tests is known to be of one cause.
    pub fn cause(&self) -> String {
        let (file, line) = self.place();
        format!("{file}:{line}")
    }
}

/// The growing sites of a traced window, largest first. `boundaries` holds, per boundary, the number of a
/// traceback with blocks and bytes alive; `depth` is how many frames were kept of each.
pub fn growing(
    boundaries: &[Vec<(usize, i64, i64)>],
    tracebacks: &[Vec<(String, u32)>],
    depth: usize,
    places: &Places,
) -> Vec<Growth> {
    if let [only] = boundaries {
        return outstanding(only, tracebacks, depth, places);
    }
    let length = boundaries.len();
    let mut counts = vec![vec![0_i64; length]; tracebacks.len()];
    let mut sizes = counts.clone();
    for (at, boundary) in boundaries.iter().enumerate() {
        for (number, count, bytes) in boundary {
            if let (Some(counts), Some(sizes)) = (counts.get_mut(*number), sizes.get_mut(*number)) {
                counts[at] = *count;
                sizes[at] = *bytes;
            }
        }
    }
    // The first traced iteration also brings what appears once; it opens the series.
    let from = usize::from(length > 3);
    let mut found: Vec<Growth> = tracebacks
        .iter()
        .zip(counts.iter().zip(&sizes))
        .filter_map(|(frames, (counts, sizes))| {
            let count = fit::fit(&counts[from..], Exactness::Exact);
            let bytes = fit::fit(&sizes[from..], Exactness::Exact);
            if !count.grows() && !bytes.grows() {
                return None;
            }
            growth(frames, depth, places, count, bytes)
        })
        .collect();
    if found.is_empty() {
        found = risen(&counts, &sizes, from, tracebacks, depth, places);
    }
    sort(&mut found);
    found
}

/// Sites that ended well above where they began. That the test grows was seen without tracing; growth that comes rarely
/// or by uneven amounts has no plain shape in so short a window, and is still in its place.
fn risen(
    counts: &[Vec<i64>],
    sizes: &[Vec<i64>],
    from: usize,
    tracebacks: &[Vec<(String, u32)>],
    depth: usize,
    places: &Places,
) -> Vec<Growth> {
    const LEAST: i64 = 2;
    let fit = |series: &[i64]| {
        let net = series[series.len() - 1] - series[0];
        let each = net as f64 / (series.len() - 1).max(1) as f64;
        Fit {
            shape: Shape::Noisy,
            rate: Rate {
                value: each,
                interval: (each, each),
                exact: false,
            },
            last_growth: None,
        }
    };
    tracebacks
        .iter()
        .zip(counts.iter().zip(sizes))
        .filter(|(_, (counts, _))| {
            let counts = &counts[from..];
            // More than once: a table that is made anew larger rises once.
            counts.windows(2).filter(|pair| pair[1] > pair[0]).count() > 1
                && counts[counts.len() - 1] - counts[0] >= LEAST
        })
        .filter_map(|(frames, (counts, sizes))| {
            growth(
                frames,
                depth,
                places,
                fit(&counts[from..]),
                fit(&sizes[from..]),
            )
        })
        .collect()
}

/// Of one huge iteration, the sites that hold a noticeable share of what it left. That it grows was seen without
/// tracing; this only says where, and what appears once is nothing beside it.
fn outstanding(
    boundary: &[(usize, i64, i64)],
    tracebacks: &[Vec<(String, u32)>],
    depth: usize,
    places: &Places,
) -> Vec<Growth> {
    const SHARE: i64 = 20;
    let total: i64 = boundary.iter().map(|(_, count, _)| count).sum();
    let plain = |value: i64| Fit {
        shape: Shape::Linear,
        rate: Rate {
            value: value as f64,
            interval: (value as f64, value as f64),
            exact: false,
        },
        last_growth: None,
    };
    let mut found: Vec<Growth> = boundary
        .iter()
        .filter(|(_, count, _)| count * SHARE >= total)
        .filter_map(|(number, count, bytes)| {
            let frames = tracebacks.get(*number)?;
            growth(frames, depth, places, plain(*count), plain(*bytes))
        })
        .collect();
    sort(&mut found);
    found
}

fn growth(
    frames: &[(String, u32)],
    depth: usize,
    places: &Places,
    count: Fit,
    bytes: Fit,
) -> Option<Growth> {
    let (chosen, owner) = choose(frames, places)?;
    Some(Growth {
        too_shallow: matches!(owner, Owner::Runner | Owner::Interpreter) && frames.len() >= depth,
        frames: frames.to_vec(),
        chosen,
        owner,
        count,
        bytes,
    })
}

fn sort(found: &mut [Growth]) {
    found.sort_by(|a, b| {
        b.bytes
            .rate
            .value
            .total_cmp(&a.bytes.rate.value)
            .then_with(|| a.frames.cmp(&b.frames))
    });
}

/// The frame of a single object's traceback that the reader should look at; none where it is the runner's.
pub fn chosen(frames: &[(String, u32)], places: &Places) -> Option<(String, u32)> {
    let (at, owner) = choose(frames, places)?;
    (owner != Owner::Runner).then(|| frames[at].clone())
}

/// The frames from that one on; none where it is the runner's.
pub fn from_chosen<'a>(frames: &'a [(String, u32)], places: &Places) -> &'a [(String, u32)] {
    match choose(frames, places) {
        Some((at, owner)) if owner != Owner::Runner => &frames[at..],
        _ => &[],
    }
}

/// The frame to show, and whose it is: the innermost of the project or a dependency; if there is none, the
/// runner's if it takes part, else the interpreter's innermost.
fn choose(frames: &[(String, u32)], places: &Places) -> Option<(usize, Owner)> {
    let owners: Vec<Option<Owner>> = frames.iter().map(|(file, _)| places.owner(file)).collect();
    // Frames outside the runner's own call into the test belong to no test.
    let inner = |wanted: &[Owner]| {
        owners
            .iter()
            .position(|owner| owner.is_some_and(|owner| wanted.contains(&owner)))
            .and_then(|at| owners[at].map(|owner| (at, owner)))
    };
    inner(&[Owner::Project, Owner::Dependency])
        .or_else(|| inner(&[Owner::Runner]))
        .or_else(|| inner(&[Owner::Interpreter]))
        .or((!frames.is_empty()).then_some((0, Owner::Project)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            project: "/p".into(),
            packages: vec!["/site".into()],
            stdlib: vec!["/std".into()],
            bridge: "/b".into(),
        }
    }

    fn frames(files: &[&str]) -> Vec<(String, u32)> {
        files.iter().map(|file| ((*file).to_owned(), 7)).collect()
    }

    #[test]
    fn the_innermost_frame_of_the_users_is_shown() {
        let stack = frames(&[
            "/std/json/decoder.py",
            "/site/lib/x.py",
            "/p/test_a.py",
            "/site/_pytest/python.py",
        ]);
        assert_eq!(choose(&stack, &places()), Some((1, Owner::Dependency)));
        let stack = frames(&["/std/pathlib.py", "/site/_pytest/tmpdir.py"]);
        assert_eq!(choose(&stack, &places()), Some((1, Owner::Runner)));
    }

    #[test]
    fn a_growing_site_is_found_among_steady_ones() {
        let tracebacks = [frames(&["/p/a.py"]), frames(&["/p/b.py"])];
        let boundaries: Vec<Vec<(usize, i64, i64)>> = (0..6)
            .map(|at| vec![(0, 5, 500), (1, at * 2, at * 128)])
            .collect();
        let found = growing(&boundaries, &tracebacks, 4, &places());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place().0, "/p/b.py");
        assert!((found[0].bytes.rate.value - 128.0).abs() < 1e-9);
        assert!(!found[0].too_shallow);
    }

    #[test]
    fn one_huge_iteration_shows_what_holds_most_of_it() {
        let tracebacks = [frames(&["/p/a.py"]), frames(&["/p/b.py"])];
        let found = growing(
            &[vec![(0, 3, 200), (1, 1000, 32000)]],
            &tracebacks,
            1,
            &places(),
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place().0, "/p/b.py");
        assert!((found[0].count.rate.value - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn a_stack_cut_off_inside_the_interpreter_wants_more_frames() {
        let tracebacks = [frames(&["/std/a.py", "/std/b.py"])];
        let boundaries: Vec<Vec<(usize, i64, i64)>> =
            (0..6).map(|at| vec![(0, at, at * 64)]).collect();
        assert!(growing(&boundaries, &tracebacks, 2, &places())[0].too_shallow);
        assert!(!growing(&boundaries, &tracebacks, 4, &places())[0].too_shallow);
    }
}
