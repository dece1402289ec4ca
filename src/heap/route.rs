//! Words for a way through the heap: the holder as code names it, and the whole way in one line.

use serde::Deserialize;

use super::{
    holder::{Chosen, Gain},
    owner::Places,
    path::{Phase, Root},
};
use crate::finding::{Holder, HolderStep, Owner, Role, TypeGrowth};

/// One step of a way, as the bridge names it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Place of its object in the way.
    pub at: usize,
    /// Module and qualified name of its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What a reader calls it.
    pub text: String,
    /// What sort of object it is: `module`, `class`, `function`, `method`, `cache`, `collection`, …
    pub what: String,
    /// Its class (of a class, it itself) and those this is derived from: name and file of each.
    pub origins: Vec<(String, String)>,
    /// Module and qualified name, of what has one.
    pub name: Option<String>,
    /// File of a module or of code.
    pub file: Option<String>,
    /// First line of code.
    pub line: Option<u32>,
    /// How it refers to the next one: kind and text.
    pub edge: (String, String),
    /// Entries.
    pub length: Option<u64>,
    /// Most entries there can be.
    pub capacity: Option<u64>,
    /// Of a cache: whether it is one of a method, and so keeps each `self`.
    pub method: bool,
    /// Which of the interpreter's own lists of callbacks it is.
    pub registry: Option<String>,
    /// Type of the entry that came last, of a container.
    pub newest: Option<String>,
    /// Bytes of that entry.
    pub size: u64,
    /// A bounded text of its value (of a container, of that entry), where it is of a plain built-in type.
    pub example: Option<String>,
}

/// A bound that the holder itself states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Entries now.
    pub length: u64,
    /// Most entries there can be; `None` for a cache without one.
    pub capacity: Option<u64>,
    /// What it is, as [`Holder::name`] says it.
    pub name: String,
}

/// A holder in words, with the steps that were used for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// For the report.
    pub holder: Holder,
    /// Steps from the root to the survivor.
    pub steps: Vec<Step>,
    /// Which of them is the holder; growth enters through its edge.
    pub at: usize,
    /// How it grows.
    pub gain: Gain,
    /// Entries gained per iteration, where it has a length.
    pub gained_each: Option<f64>,
    /// What the steps say of a bound.
    pub bound: Option<Bound>,
    /// Where the way begins.
    pub root: Root,
    /// Type of the object at its end; of entries that are no objects of their own, the type of the newest.
    pub kept: String,
    /// File and line of the frames that allocated that object, or added the entry, from the reader's code on outwards.
    pub born: Vec<(String, u32)>,
    /// The holder and the object at the end, by their numbers in the graph.
    pub ends: Option<(u32, u32)>,
}

impl Route {
    /// Of a container that only became longer, growth by the type of what it gained: of all entries the collector knows
    /// none, so they are taken to be like the newest.
    pub fn entries(&self) -> Option<TypeGrowth> {
        let last = self
            .steps
            .last()
            .filter(|last| self.gain == Gain::Length && last.newest.is_some())?;
        let count = self.gained_each?;
        Some(TypeGrowth {
            name: self.kept.clone(),
            count,
            bytes: count * last.size as f64,
            retained: None,
            example: last.example.clone(),
        })
    }

    /// What tells this holder's cause from others': its name, or of what a function keeps in a closure, that function. It
    /// may have been made several times, and it is fixed once.
    pub fn cause(&self) -> String {
        let inner = |step: &&Step| step.edge.0 == "closure";
        let made = self.steps.iter().take(self.at + 1).rfind(inner);
        let cell = made.and_then(|step| Some((step.name.as_deref()?, &step.edge.1)));
        match cell {
            Some((name, edge)) if name.contains("<locals>") => format!("{name}{edge}"),
            _ => self.holder.name.clone(),
        }
    }

    /// Whether the holder is an object of the reader's own code or of a package. It has to let go of whatever it holds. A
    /// list of the interpreter's is everybody's: who adds to it is the cause.
    pub fn is_own(&self, places: &Places) -> bool {
        let theirs = |file: &str| places.owner(file).is_some_and(Owner::is_users);
        let of_theirs = |step: &Step| {
            let own = step.file.as_deref().is_some_and(theirs);
            own || step.origins.first().is_some_and(|(_, file)| theirs(file))
        };
        matches!(self.root, Root::Module | Root::Fixture)
            && self.steps.iter().take(self.at + 1).any(of_theirs)
    }

    /// Whether this is only where Python itself lists what lives: what else holds the same keeps it alive.
    pub fn is_listing(&self) -> bool {
        LISTINGS.contains(&&*self.holder.name)
    }
}

/// Lists of the standard library that an object is in until it ends, by itself or with its last user.
const LISTINGS: [&str; 5] = [
    "threading._active",
    "concurrent.interpreters._known",
    "threading._dangling",
    "concurrent.futures.thread._threads_queues",
    FINALIZERS,
];
/// Of these the one whose entries are about objects that it does not hold.
pub const FINALIZERS: &str = "weakref.finalize._registry";

/// Puts a way in words. `iterations` is how many there were in the window.
pub fn describe(
    chosen: &Chosen,
    root: &Root,
    mut steps: Vec<Step>,
    iterations: u16,
) -> Option<Route> {
    // A context is a tree of nodes that are made anew with each change; to a reader it is one thing.
    steps.dedup_by(|step, before| step.what == "context" && before.what == "context");
    let at = steps.iter().rposition(|step| step.at <= chosen.at)?;
    let with_edge = !matches!(chosen.gain, Gain::Entries | Gain::Length);
    let mut name = first_word(root, &steps[0]);
    let mut at_holder = 0;
    let mut folded = is_folded(&steps[0]);
    for place in 0..at {
        if folded {
            break;
        }
        append(&mut name, &steps, place);
        at_holder = place + 1;
        folded = is_folded(&steps[place + 1]);
    }
    let entered = steps.get(at + 1).is_some();
    let mut text = name.clone();
    if !folded && entered {
        if with_edge {
            append(&mut name, &steps, at);
            text.clone_from(&name);
        } else {
            text.push_str(&any_key(&steps[at].edge));
        }
    } else if folded && entered {
        text.push_str("[…]");
    }
    for (place, step) in steps.iter().enumerate().skip(at + 1) {
        // What was appended with the edge stands there already.
        if !(with_edge && place == at + 1 && text.ends_with(&format!("-> {}", step.text))) {
            text.push_str(" -> ");
            text.push_str(&step.text);
        }
        if place + 1 < steps.len() {
            text.push_str(&any_index(&step.edge));
        }
    }
    let reason = reason(chosen, iterations);
    let bound = steps[at_holder..=at]
        .iter()
        .find(|step| step.what == "cache" || step.capacity.is_some())
        .map(|step| Bound {
            length: step.length.unwrap_or(0),
            capacity: step.capacity,
            name: name.clone(),
        });
    let last = steps.last()?;
    let mut kept = last.kind.clone();
    if chosen.gain == Gain::Length
        && let Some(newest) = &last.newest
    {
        text.push_str("[…] -> ");
        text.push_str(newest);
        kept.clone_from(newest);
    }
    let labelled = labels(&steps, at_holder, at, &reason);
    Some(Route {
        holder: Holder {
            process: None,
            path: labelled.iter().map(|step| step.text.clone()).collect(),
            text,
            name,
            reason,
            steps: labelled,
            also: Vec::new(),
        },
        at,
        gain: chosen.gain,
        gained_each: chosen
            .gained
            .map(|(before, now)| (now - before) as f64 / f64::from(iterations.max(1))),
        bound,
        root: root.clone(),
        kept,
        born: Vec::new(),
        ends: chosen
            .way
            .get(chosen.at)
            .copied()
            .zip(chosen.way.last().copied()),
        steps,
    })
}

fn first_word(root: &Root, first: &Step) -> String {
    match root {
        Root::Named(name) | Root::Frame(name) => name.clone(),
        Root::Outside => match &first.registry {
            Some(name) => name.clone(),
            None if first.what == "context" => "the context of a thread".to_owned(),
            None => format!("a {} of C code's", first.text),
        },
        Root::Runner => format!("the test runner's {}", first.text),
        // The dictionary behind `os.environ`.
        Root::Module if first.text == "posix" && first.edge.1 == ".environ" => "os".to_owned(),
        Root::Module | Root::Fixture => first.text.clone(),
    }
}

/// A collection of the standard library stands for what it is made of.
fn is_folded(step: &Step) -> bool {
    matches!(
        step.what.as_str(),
        "collection" | "thread-local" | "context" | "context-variable"
    )
}

/// Goes one step further, as code would.
fn append(name: &mut String, steps: &[Step], place: usize) {
    let Some(next) = steps.get(place + 1) else {
        name.push_str(&steps[place].edge.1);
        return;
    };
    // So is the one place from which all loggers hang, whichever logger the way came through.
    let loggers = match next.kind.as_str() {
        "logging.Manager" => "logging.Logger.manager",
        "logging.RootLogger" => "logging.root",
        _ => "",
    };
    if !loggers.is_empty() {
        loggers.clone_into(name);
        return;
    }
    // A class or function is known by where it was defined, not by who imported it.
    if let Some(own) = &next.name
        && !own.contains('<')
        && (next.what == "class"
            || (steps[place].what == "module" && own.ends_with(&steps[place].edge.1)))
    {
        name.clone_from(own);
        return;
    }
    if steps[place].edge.1.is_empty() {
        name.push_str(" -> ");
        name.push_str(&next.text);
    } else {
        name.push_str(&steps[place].edge.1);
    }
}

/// The edge through which new objects come: each by another key.
fn any_key((kind, text): &(String, String)) -> String {
    match kind.as_str() {
        "key" if text.starts_with("['") || text.starts_with("[\"") => "['…']".to_owned(),
        "key" | "index" => "[…]".to_owned(),
        "attribute" => String::new(),
        _ => text.clone(),
    }
}

/// An edge within what was kept: names stay, numbers and other keys do not say anything.
pub(crate) fn any_index((kind, text): &(String, String)) -> String {
    match kind.as_str() {
        "key" if !(text.starts_with("['") || text.starts_with("[\"")) => "[…]".to_owned(),
        _ => text.clone(),
    }
}

fn reason(chosen: &Chosen, iterations: u16) -> String {
    let mut text = match chosen.gain {
        Gain::Entries => "refers to new objects of every iteration".to_owned(),
        Gain::Newest => "refers to the newest object, which keeps those before it".to_owned(),
        Gain::Chain => "is the beginning of a chain that grows at its end".to_owned(),
        Gain::Length => "has more entries after every iteration".to_owned(),
    };
    if let Some((before, now)) = chosen.gained
        && now > before
    {
        text = format!("went from {before} to {now} entries in {iterations} iterations");
    }
    if chosen.phase == Phase::Outside {
        text.push_str("; no Python object refers to it");
    }
    text
}

fn labels(steps: &[Step], from: usize, to: usize, reason: &str) -> Vec<HolderStep> {
    steps
        .iter()
        .enumerate()
        .map(|(place, step)| {
            let text = if place + 1 < steps.len() {
                format!("{}{}", step.text, any_index(&step.edge))
            } else {
                step.text.clone()
            };
            let (role, reason) = if place > to {
                (Role::Held, "born in the judged iterations".to_owned())
            } else if place >= from {
                (Role::Holds, reason.to_owned())
            } else if place == 0 {
                (Role::Holds, "lives as long as the process".to_owned())
            } else {
                (
                    Role::Unknown,
                    "was there before, and is not known to be done with".to_owned(),
                )
            };
            HolderStep { text, role, reason }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at: usize, what: &str, text: &str, edge: (&str, &str)) -> Step {
        Step {
            at,
            what: what.to_owned(),
            text: text.to_owned(),
            edge: (edge.0.to_owned(), edge.1.to_owned()),
            ..Step::default()
        }
    }

    fn chosen(at: usize, gain: Gain) -> Chosen {
        Chosen {
            way: Vec::new(),
            at,
            gain,
            gained: None,
            phase: Phase::Code,
            alone: true,
        }
    }

    fn said(at: usize, gain: Gain, steps: &[Step]) -> (String, String) {
        let route = describe(&chosen(at, gain), &Root::Module, steps.to_vec(), 5).unwrap();
        (route.holder.name, route.holder.text)
    }

    #[test]
    fn a_way_reads_as_code_does() {
        let steps = [
            step(0, "module", "app.cache", ("attribute", ".SESSIONS")),
            step(2, "container", "dict", ("key", "['a17']")),
            step(3, "object", "Session", ("attribute", ".handlers")),
            step(5, "container", "list", ("index", "[…]")),
            step(6, "method", "bound method Listener.on_event", ("self", "")),
            step(7, "object", "Listener", ("", "")),
        ];
        let (name, text) = said(2, Gain::Entries, &steps);
        assert_eq!(name, "app.cache.SESSIONS");
        assert_eq!(
            text,
            "app.cache.SESSIONS['…'] -> Session.handlers -> list[…] -> bound method Listener.on_event -> Listener"
        );
    }

    #[test]
    fn a_key_that_stays_is_named_and_one_that_changes_is_not() {
        let steps = [
            step(0, "module", "events", ("attribute", ".bus")),
            step(2, "object", "Bus", ("attribute", ".by_topic")),
            step(4, "container", "dict", ("key", "['paid']")),
            step(5, "container", "list", ("index", "[…]")),
            step(6, "function", "function callback", ("", "")),
        ];
        let (name, text) = said(5, Gain::Entries, &steps);
        assert_eq!(name, "events.bus.by_topic['paid']");
        assert_eq!(text, "events.bus.by_topic['paid'][…] -> function callback");
    }

    #[test]
    fn a_variable_that_is_replaced_is_the_holder_itself() {
        let steps = [
            step(0, "module", "events", ("attribute", ".head")),
            step(2, "object", "Cell", ("", "")),
        ];
        let (name, text) = said(1, Gain::Newest, &steps);
        assert_eq!(
            (name.as_str(), text.as_str()),
            ("events.head", "events.head -> Cell")
        );
        // A module that gets another variable each time.
        let (name, text) = said(1, Gain::Entries, &steps);
        assert_eq!((name.as_str(), text.as_str()), ("events", "events -> Cell"));
    }

    #[test]
    fn a_class_is_named_by_its_own_module_and_a_queue_by_itself() {
        let mut class = step(2, "class", "Session", ("attribute", ".live"));
        class.name = Some("app.session.Session".to_owned());
        let steps = [
            step(0, "module", "tests.test_app", ("attribute", ".Session")),
            class,
            step(4, "container", "list", ("index", "[…]")),
            step(5, "object", "Session", ("", "")),
        ];
        assert_eq!(said(4, Gain::Entries, &steps).0, "app.session.Session.live");
        let steps = [
            step(0, "module", "ledger", ("attribute", ".inbox")),
            step(2, "collection", "Queue", ("attribute", ".queue")),
            step(4, "container", "deque", ("index", "[…]")),
            step(5, "container", "list", ("", "")),
        ];
        let (name, text) = said(4, Gain::Entries, &steps);
        assert_eq!(
            (name.as_str(), text.as_str()),
            ("ledger.inbox", "ledger.inbox[…] -> list")
        );
    }

    #[test]
    fn a_logger_is_told_by_its_own_name_not_by_who_has_another_one() {
        let logger = |at, kind: &str, edge| Step {
            kind: kind.to_owned(),
            ..step(at, "object", "Logger", ("attribute", edge))
        };
        let steps = [
            step(0, "module", "urllib3.pool", ("attribute", ".log")),
            logger(2, "logging.Logger", ".manager"),
            logger(4, "logging.Manager", ".loggerDict"),
            step(5, "container", "dict", ("key", "['shop']")),
            logger(6, "logging.Logger", ".handlers"),
            step(7, "container", "list", ("index", "[…]")),
            step(8, "object", "FileHandler", ("", "")),
        ];
        let (name, _) = said(7, Gain::Entries, &steps);
        assert_eq!(name, "logging.Logger.manager.loggerDict['shop'].handlers");
        let steps = [
            step(0, "module", "urllib3.pool", ("attribute", ".log")),
            logger(2, "logging.Logger", ".parent"),
            logger(4, "logging.RootLogger", ".handlers"),
            step(5, "container", "list", ("index", "[…]")),
            step(6, "object", "FileHandler", ("", "")),
        ];
        assert_eq!(said(5, Gain::Entries, &steps).0, "logging.root.handlers");
    }

    #[test]
    fn a_context_is_one_thing_however_many_nodes_it_has() {
        let steps = [
            step(0, "context", "context", ("", "")),
            step(1, "context", "context", ("", "")),
            step(2, "context", "context", ("", "")),
            step(3, "context-variable", "ContextVar 'user'", ("", "")),
        ];
        let way = chosen(0, Gain::Newest);
        let route = describe(&way, &Root::Outside, steps.to_vec(), 5).unwrap();
        assert_eq!(route.holder.name, "the context of a thread");
        assert_eq!(
            route.holder.text,
            "the context of a thread[…] -> ContextVar 'user'"
        );
    }
}
