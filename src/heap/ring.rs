//! A cycle of garbage in words: the way round, what it is made by, which reference closes it, and how to fix that.

use super::route::{Step, any_index};
use crate::finding::{Holder, HolderStep, Role};

/// A cycle, named.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring {
    /// The way round for the report, closed.
    pub holder: Holder,
    /// What does not change when it is entered elsewhere: types and edges.
    pub identity: String,
    /// One sentence on how to fix it.
    pub advice: String,
}

/// Steps of a cycle that is called by all of them.
const MOST_NAMED: usize = 4;

/// Puts a cycle in words. `steps` lead from an object to itself, so that the last one is the first again; the oldest object
/// stands first, because what refers back to it came later. `root` names the class that the class of an object is one
/// of: what a base class does is one cause, however many are derived from it. Containers alone have no name, and are told by the `file` that makes them. `None` where
/// that is no cycle.
pub fn describe(
    steps: &[Step],
    root: &dyn Fn(&Step) -> Option<String>,
    file: &str,
) -> Option<Ring> {
    let (last, way) = steps.split_last()?;
    let words: Vec<String> = (0..way.len()).filter_map(|at| word(way, at)).collect();
    let sorts: Vec<String> = way.iter().filter_map(|step| sort(step, root)).collect();
    let start = (0..sorts.len().max(1)).min_by_key(|start| rotated(&sorts, *start))?;
    let back = closing(way)?;
    let mut held: Vec<HolderStep> = words
        .iter()
        .enumerate()
        .map(|(at, text)| HolderStep {
            text: text.clone(),
            role: Role::Held,
            reason: if at + 1 == words.len() {
                "closes the cycle".to_owned()
            } else {
                "is kept by the one before it".to_owned()
            },
        })
        .collect();
    held.push(HolderStep {
        text: last.text.clone(),
        role: Role::Held,
        reason: "is where the cycle began".to_owned(),
    });
    let path: Vec<String> = held.iter().map(|step| step.text.clone()).collect();
    Some(Ring {
        identity: if way.iter().all(is_container) {
            format!("containers of {file}")
        } else {
            rotated(&sorts, start).join(" -> ")
        },
        advice: advice(way, &back),
        holder: Holder {
            process: None,
            text: path.join(" -> "),
            path,
            name: back,
            reason: String::new(),
            steps: held,
            also: Vec::new(),
        },
    })
}

/// The same of a cycle that the collector never frees, since of an object of the type `kind` it is not told what that
/// refers to (it is `opaque`), or that it is there.
pub fn hidden(steps: &[Step], kind: &str, opaque: bool) -> Option<Ring> {
    let ring = describe(steps, &|_| None, "")?;
    let why = if opaque {
        "cannot look into"
    } else {
        "does not track"
    };
    // One of a few objects is its own name.
    let cycle = match ring.holder.path.len() {
        ..=MOST_NAMED => format!("the cycle {}", ring.holder.text),
        _ => format!("a cycle through {kind}"),
    };
    let name = format!("{cycle}, which the collector {why}");
    let holder = Holder {
        reason: format!("each object is kept by the one before it, and the collector {why} {kind}"),
        name,
        ..ring.holder
    };
    let advice = format!(
        "The collector {why} {kind}, so it never frees this cycle. Cut the cycle by hand when its user is done (set one of its references to None), or make one of them weak (weakref).",
    );
    Some(Ring {
        holder,
        advice,
        ..ring
    })
}

/// A step as it is shown; a traceback of many calls is shown as one of a few.
fn word(way: &[Step], at: usize) -> Option<String> {
    let step = &way[at];
    let is_next = |step: &Step| step.what == "traceback" && step.edge.1 == ".tb_next";
    if is_next(step) && at > 0 && is_next(&way[at - 1]) {
        return None;
    }
    Some(format!("{}{}", step.text, any_index(&step.edge)))
}

/// What of a step makes it another cause: not which entry of a dictionary it is, nor which error came by how many calls.
fn sort(step: &Step, root: &dyn Fn(&Step) -> Option<String>) -> Option<String> {
    let name = match &*step.what {
        "exception" | "traceback" => return None,
        "object" => root(step).unwrap_or_else(|| step.text.clone()),
        _ => step.text.clone(),
    };
    let edge = match &*step.edge.0 {
        "key" | "index" | "as key" => "[…]",
        // Generated code has other names each time.
        "closure" => " closure",
        _ => step.edge.1.as_str(),
    };
    Some(format!("{name}{edge}"))
}

fn is_container(step: &Step) -> bool {
    step.what == "container"
}

fn rotated(words: &[String], start: usize) -> Vec<&str> {
    let (before, after) = words.split_at(start);
    after.iter().chain(before).map(String::as_str).collect()
}

/// The last reference that code names: of a list, the attribute that the list is in.
fn closing(way: &[Step]) -> Option<String> {
    let named = |step: &&Step| {
        matches!(
            &*step.edge.0,
            "attribute" | "closure" | "local" | "default" | "exception"
        )
    };
    let step = way.iter().rev().find(named).or(way.last())?;
    Some(format!("{}{}", step.text, step.edge.1))
}

fn advice(way: &[Step], back: &str) -> String {
    let first = |what: &str| way.iter().find(|step| step.what == what);
    if way
        .iter()
        .any(|step| matches!(&*step.what, "exception" | "traceback"))
    {
        let attribute = way.iter().find(|step| step.edge.0 == "attribute");
        let local = way.iter().find(|step| step.edge.0 == "local");
        let kept = match (attribute, local) {
            (Some(step), _) => format!("in {}{}", step.text, step.edge.1),
            (None, Some(frame)) if !frame.edge.1.is_empty() => format!(
                "in{} of {}",
                frame.edge.1.replacen(" local", "", 1),
                frame.text.replacen("frame of ", "", 1)
            ),
            (None, Some(frame)) => format!("by the {}", frame.text),
            (None, None) => format!("by {back}"),
        };
        return format!(
            "The exception is kept {kept}, and its traceback leads back there by the variables of its frames: drop it when it was dealt with (try: … finally: del), or keep str(error) or error.with_traceback(None)."
        );
    }
    if let Some(class) = first("class") {
        return format!(
            "A class always is a cycle with its own __mro__, and {} is made anew in each call: make it once, when the module is imported, or cache what makes it.",
            class.text
        );
    }
    if let Some(suspended) = first("suspended") {
        return format!(
            "The {} was left before its end, and what it is held by is among its variables: close it (contextlib.closing, aclose()) or run it to its end.",
            suspended.text
        );
    }
    if let Some(method) = first("method") {
        return format!(
            "The {} keeps the object that it is bound to: keep a weakref.WeakMethod, pass the object when it is called, or take it out again when it is done with.",
            method.text
        );
    }
    if let Some(function) = way.iter().find(|step| step.edge.0 == "closure") {
        let what = if way.len() == 1 {
            "refers to itself by its closure".to_owned()
        } else {
            format!(
                "keeps{} by its closure",
                function.edge.1.replacen(" closure", "", 1)
            )
        };
        return format!(
            "The {} {what}: make it a function of the module or a method, or pass what it needs as an argument.",
            function.text
        );
    }
    if let Some(function) = way.iter().find(|step| step.edge.0 == "globals") {
        return format!(
            "The {} and the namespace that its code was executed in keep each other, as always: execute the code once and keep what it made, or clear the namespace when it is done with.",
            function.text
        );
    }
    if way.iter().all(is_container) {
        return "Containers hold each other here: clear() one of them when they are done with, or link objects of a class by weakref.ref."
            .to_owned();
    }
    if way.len() == 1 {
        return format!("{back} refers to its own object: leave it out, or make it a weakref.ref.");
    }
    format!(
        "{back} closes the cycle: make it a weakref.ref or weakref.proxy (weakref.WeakSet for several), or clear it when the objects are done with."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(steps: &[(&str, &str, &str, &str)]) -> Vec<Step> {
        let mut way: Vec<Step> = steps
            .iter()
            .map(|(what, text, kind, edge)| Step {
                what: (*what).to_owned(),
                text: (*text).to_owned(),
                edge: ((*kind).to_owned(), (*edge).to_owned()),
                ..Step::default()
            })
            .collect();
        way.extend(way.first().cloned());
        way
    }

    fn of(steps: &[Step]) -> Option<Ring> {
        describe(steps, &|_| None, "a.py")
    }

    const TREE: [(&str, &str, &str, &str); 3] = [
        ("object", "Tree", "attribute", ".children"),
        ("container", "list", "index", "[…]"),
        ("object", "Leaf", "attribute", ".parent"),
    ];

    #[test]
    fn the_way_round_is_closed_and_the_back_reference_named() {
        let ring = of(&way(&TREE)).unwrap();
        assert_eq!(
            ring.holder.text,
            "Tree.children -> list[…] -> Leaf.parent -> Tree"
        );
        assert_eq!(ring.holder.name, "Leaf.parent");
        assert!(ring.advice.starts_with("Leaf.parent closes the cycle"));
    }

    #[test]
    fn a_cycle_is_the_same_wherever_it_is_entered() {
        let one = of(&way(&TREE)).unwrap();
        let other = of(&way(&[TREE[1], TREE[2], TREE[0]])).unwrap();
        assert_eq!(one.identity, other.identity);
        assert_ne!(one.holder.text, other.holder.text);
    }

    #[test]
    fn one_cause_is_one_whatever_passes_through_it() {
        let same = |one: &[(&str, &str, &str, &str)], other: &[(&str, &str, &str, &str)]| {
            of(&way(one)).unwrap().identity == of(&way(other)).unwrap().identity
        };
        let frame = ("frame", "frame of load", "local", " local error");
        let next = ("traceback", "traceback", "traceback", ".tb_next");
        let last = ("traceback", "traceback", "traceback", ".tb_frame");
        let error = |name| ("exception", name, "exception", ".__traceback__");
        let deep = [error("KeyError"), next, next, next, last, frame];
        assert!(same(&[error("ValueError"), last, frame], &deep));
        let text = of(&way(&deep)).unwrap().holder.text;
        assert_eq!(text.matches("tb_next").count(), 1, "{text}");
        let entry = |key| [TREE[0], ("container", "dict", "key", key), TREE[2]];
        assert!(same(&entry("['a']"), &entry("['b']")));
        assert!(!same(&entry("['a']"), &TREE));
        // A class of its own for each test, of one base.
        let root = |_: &Step| Some("Base".to_owned());
        let one = describe(&way(&TREE), &root, "").unwrap();
        let other = [
            ("object", "MyTree", "attribute", ".children"),
            TREE[1],
            TREE[2],
        ];
        assert_eq!(
            one.identity,
            describe(&way(&other), &root, "").unwrap().identity
        );
    }

    #[test]
    fn each_sort_of_cycle_has_advice_of_its_own() {
        type Example<'a> = (&'a [(&'a str, &'a str, &'a str, &'a str)], &'a str);
        let examples: [Example<'_>; 9] = [
            (
                &[
                    ("exception", "ValueError", "exception", ".__traceback__"),
                    ("traceback", "traceback", "traceback", ".tb_frame"),
                    ("frame", "frame of load", "local", " local error"),
                ],
                "The exception is kept in error of load, ",
            ),
            (
                &[
                    ("class", "Row", "base", ".__mro__"),
                    ("container", "tuple", "index", "[0]"),
                ],
                "A class always is a cycle with its own __mro__, and Row ",
            ),
            (
                &[
                    ("object", "Feed", "attribute", ".rows"),
                    ("suspended", "generator rows", "local", " local self"),
                ],
                "The generator rows was left before its end",
            ),
            (
                &[
                    ("object", "View", "attribute", ".redraw"),
                    ("method", "bound method View.draw", "self", ""),
                ],
                "The bound method View.draw keeps",
            ),
            (
                &[("function", "function walk", "closure", " closure walk")],
                "The function walk refers to itself",
            ),
            (
                &[
                    ("object", "Gen", "attribute", ".final"),
                    ("function", "function final", "closure", " closure self"),
                ],
                "The function final keeps self by its closure",
            ),
            (
                &[
                    ("function", "function root", "globals", ".__globals__"),
                    ("container", "dict", "key", "['root']"),
                ],
                "The function root and the namespace",
            ),
            (
                &[("container", "list", "index", "[…]")],
                "Containers hold each other here",
            ),
            (
                &[("object", "Me", "attribute", ".me")],
                "Me.me refers to its own object",
            ),
        ];
        for (steps, beginning) in examples {
            let advice = of(&way(steps)).unwrap().advice;
            assert!(advice.starts_with(beginning), "{advice}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&way(&TREE)[..1]), None);
    }
}
