//! The codes of leak kinds, which of them a case is, and the sentence that says what to do about this one.

use crate::{
    finding::{Finding, Kind, NativeFunction, Owner},
    heap::{
        holder::Gain,
        path::{Root, is_test_module},
        route::{Route, Step},
        types,
    },
};

/// A test whose repeat killed the process: a reference count gone wrong shows so.
pub const CRASH: &str = "LK501";
/// A test whose repeat hangs.
pub const HANG: &str = "LK502";
/// Objects that nothing in Python refers to.
pub const LOST: &str = "LK202";
/// References that are given back more often than they were taken.
pub const RELEASED: &str = "LK204";
/// A cycle that the collector does not see.
pub const HIDDEN: &str = "LK117";
/// Callbacks and hooks of the interpreter.
pub const INTERPRETER: &str = "LK111";

/// The code of a kind of growth whose holder is not known.
pub fn of(kind: Kind) -> &'static str {
    kind.facts().code
}

/// Whether something in Python must hold the leaked objects, and no holder is named. A descriptor or a child process may be a
/// number that was dropped, and what was lost in C has no holder.
pub fn is_unheld(finding: &Finding) -> bool {
    finding.kind.facts().is_held && finding.holder.is_none() && finding.code != LOST
}

/// The code of growth that `route` holds.
pub fn of_route(kind: Kind, route: &Route) -> &'static str {
    match kind {
        Kind::Python => of_holder(route),
        kind => of(kind),
    }
}

fn of_holder(route: &Route) -> &'static str {
    let (before, kept) = route.steps.split_at((route.at + 1).min(route.steps.len()));
    let any = |what: &str| before.iter().any(|step| step.what == what);
    let edge = |kind: &str| before.iter().any(|step| step.edge.0 == kind);
    if let Some(cache) = before.iter().find(|step| step.what == "cache") {
        return if cache.method { "LK105" } else { "LK104" };
    }
    if before.iter().any(|step| is_weak_dictionary(&step.kind)) {
        return "LK108";
    }
    if ["thread-local", "context", "context-variable"]
        .into_iter()
        .any(any)
        || edge("context")
    {
        return "LK110";
    }
    if matches!(route.root, Root::Named(_)) || is_interpreters(&route.holder.name) {
        return INTERPRETER;
    }
    if before.iter().any(|step| step.kind.starts_with("logging.")) {
        return "LK112";
    }
    if route.root == Root::Fixture {
        return "LK115";
    }
    let first = kept.first();
    if kept
        .iter()
        .take(2)
        .any(|step| step.what == "exception" || step.what == "traceback")
    {
        return "LK109";
    }
    if kept.iter().take(2).any(|step| step.what == "suspended") {
        return "LK113";
    }
    let are_classes = |step: &Step| {
        let registry = step.registry.as_deref().unwrap_or_default();
        registry.ends_with(".__subclasses__()")
    };
    if kept
        .iter()
        .any(|step| step.what == "class" || step.what == "module")
        || before.iter().any(are_classes)
    {
        return "LK116";
    }
    if first
        .is_some_and(|step| matches!(&*step.what, "method" | "function" | "partial" | "builtin"))
    {
        return "LK106";
    }
    if edge("closure") || edge("default") {
        return "LK107";
    }
    if matches!(route.gain, Gain::Newest | Gain::Chain) {
        return "LK114";
    }
    if any("class") {
        return "LK103";
    }
    "LK101"
}

fn is_weak_dictionary(kind: &str) -> bool {
    matches!(
        kind,
        "weakref.WeakKeyDictionary" | "weakref.WeakValueDictionary"
    )
}

/// Whether the weak dictionary holds its values weakly, and its keys as any other.
fn is_by_value(route: &Route) -> bool {
    let mut holding = route.steps.iter().take(route.at + 1);
    holding.any(|step| step.kind == "weakref.WeakValueDictionary")
}

fn is_interpreters(name: &str) -> bool {
    const STATE: [&str; 9] = [
        "sys.",
        "builtins",
        "atexit",
        "gc.",
        "codecs",
        "signal",
        "warnings.",
        "os.register",
        "weakref.finalize",
    ];
    STATE.iter().any(|start| name.starts_with(start))
}

/// What to do about a text or a tuple that becomes longer.
pub fn advice_lengthened(name: &str) -> String {
    format!(
        "{name} becomes longer with each iteration, and nothing makes it shorter: write it out and begin a new one, or keep its end only."
    )
}

/// One sentence on how to fix a leak of this code, where no more is known of it.
pub fn advice(code: &str) -> &'static str {
    match code {
        LOST => {
            "No Python object refers to these: look for a C extension that takes a reference and never gives it back (Py_INCREF without Py_DECREF, a new reference that is not released on an error path), or keeps them where Python cannot look."
        }
        INTERPRETER => {
            "Take the callback off again when its user is done (atexit.unregister, gc.callbacks.remove, signal.signal with the old handler), or register it once, when the module is imported."
        }
        HIDDEN => {
            "The collector never frees this cycle: cut it by hand when its user is done (set one of its references to None), or make one of them weak (weakref)."
        }
        RELEASED => {
            "The object is freed while others still use it once its count reaches zero, which ends the process: look for a C extension that gives back a reference which it only borrowed (Py_DECREF after PyList_GetItem, PyDict_GetItem, PyTuple_GetItem or PyModule_GetDict)."
        }
        CRASH => {
            "It passes once and kills the interpreter when repeated: look for a reference count released too often in a C extension that this test uses."
        }
        HANG => {
            "It passes once and hangs when repeated: look for a lock, a queue or a thread that its first run leaves behind."
        }
        _ => Kind::advice(code),
    }
}

/// The sentence for this case: it names the holder, and what to call or to write.
pub fn advice_for(code: &str, route: &Route) -> String {
    let holder = &route.holder.name;
    let kept = types::short(&route.kept);
    let text = match code {
        "LK101" => match weakly(route) {
            Some(weakly) => format!(
                "Remove the {kept} from {holder} when its user is done, give {holder} a bound, or let it hold its entries weakly{weakly}."
            ),
            None => format!(
                "Remove the {kept} from {holder} when its user is done, or give {holder} a bound."
            ),
        },
        "LK102" => format!(
            "Remove from {holder} what was added when its user is done, or give it a bound (collections.deque(maxlen=…))."
        ),
        "LK103" => format!(
            "{holder} belongs to the class and is shared by all its instances: make it an attribute of each (set it in __init__), or a weakref.WeakSet."
        ),
        "LK104" => match route.bound.as_ref().and_then(|bound| bound.capacity) {
            Some(most) => format!(
                "{holder} keeps up to {most} results; if that is too many, lower its maxsize, or call {holder}.cache_clear()."
            ),
            None => format!(
                "{holder} has no bound: give it one (@lru_cache(maxsize=256)), or call {holder}.cache_clear() when its inputs are done with."
            ),
        },
        "LK105" => format!(
            "The cache of {holder} belongs to the class and keeps every self it is called with: use functools.cached_property, keep the results on the instance, or cache a function of plain values."
        ),
        "LK106" => format!(
            "Nothing takes the callback off {holder} again: unsubscribe it in the teardown of what subscribed, or keep {}.",
            if matches!(route.steps.get(route.at + 1).map(|step| &*step.what), Some("method")) {
                "a weakref.WeakMethod there"
            } else {
                "it weakly there"
            }
        ),
        "LK107" => format!(
            "{holder} lives as long as its function: make it a local variable of each call (default None for an argument), or empty it."
        ),
        "LK108" if is_by_value(route) => format!(
            "The key in {holder} refers to its value, or to what keeps it, so the value never dies: use a key that does not, such as the value's id or name."
        ),
        "LK108" => format!(
            "The value in {holder} refers to its key, so the key never dies: store a weakref to the key in the value, or keep the value on the key object itself."
        ),
        "LK109" => format!(
            "An exception keeps its traceback, and that every frame with its variables: store str(error) or error.with_traceback(None) in {holder}, or empty it."
        ),
        "LK110" if route.steps.get(route.at).is_some_and(|step| step.what == "context") => format!(
            "{holder} keeps a value of each ContextVar that was set in it: make the variable once, at the top of its module, and reset it where it was set (ContextVar.reset(token))."
        ),
        "LK110" => format!(
            "{holder} lives as long as the thread or context: reset it where it was set (ContextVar.reset(token), or clear the thread-local in a finally)."
        ),
        INTERPRETER if holder.starts_with("weakref.finalize") => {
            "The callback of weakref.finalize refers to the object itself, so it never dies: pass a function that needs no self (a static one, and plain values as its arguments)."
                .to_owned()
        }
        INTERPRETER if holder.starts_with("gc.garbage") => {
            "gc.set_debug(gc.DEBUG_SAVEALL) makes the collector keep in gc.garbage all that it finds: turn it off again when its user is done (gc.set_debug(0)), and clear gc.garbage; or leave no cycles."
                .to_owned()
        }
        INTERPRETER => format!("{holder} is the interpreter's: {}", advice(code)),
        "LK112" => format!(
            "Loggers and their handlers live as long as the process: call removeHandler() and close() in the teardown, and do not make a logger name per object ({holder})."
        ),
        "LK113" => format!(
            "A {kept} that never ends keeps its variables: close it (contextlib.closing, aclose()) or run it to its end, and take it out of {holder}."
        ),
        "LK114" => format!(
            "Each new {kept} in {holder} refers to the one before it, so none can go: cut the old one off, or keep a bounded number (collections.deque(maxlen=…))."
        ),
        "LK115" => format!(
            "{holder} is set up once for many tests, and each leaves a {kept} in it: undo that in the test, or give the fixture the scope of a function."
        ),
        "LK116" => format!(
            "Each iteration makes a new class or module and {holder} keeps it: make it once, when the module is imported, or take it out again."
        ),
        code => advice(code).to_owned(),
    };
    match route.steps.first() {
        // Who fills it is another question: code of the project's or a library's may.
        Some(step) if step.what == "module" && is_test_module(&step.text) => format!(
            "{text} Only the tests' module {} leads to it: look there first.",
            step.text
        ),
        _ => text,
    }
}

/// The sentence for a cycle through an object of C code that the collector cannot look into.
pub fn advice_opaque(kind: &str) -> String {
    format!(
        "The objects refer to a {kind}, and it probably to them; its type tells the collector of no references, so the cycle is never freed. Cut it by hand (set the reference to None when its user is done), or keep a weak one."
    )
}

/// The sentence for a leak that a function of machine code is behind.
pub fn advice_native(code: &str, function: &NativeFunction) -> String {
    let name = if function.name.is_empty() {
        function.module()
    } else {
        &function.name
    };
    match (function.owner, &function.package) {
        // A library of neither the project nor a package may be anybody's.
        (Some(Owner::Dependency), package) if package.is_some() || function.module.is_some() => {
            format!(
                "`{}` is not yours: look for a release of {} in which `{name}` gives back what it takes, and report it there if there is none.",
                function.module(),
                package.as_deref().unwrap_or(function.module()),
            )
        }
        (Some(Owner::Project), _) if code == LOST || code == of(Kind::Reference) => format!(
            "Give back the reference that `{name}` takes (Py_DECREF; in Rust let the Py drop instead of into_ptr or forget), on error paths too.",
        ),
        (Some(Owner::Project), _) => format!(
            "Free what `{name}` allocates on every path, errors included (in Rust nothing that was given to forget, leak or into_raw is freed by itself).",
        ),
        _ if code == LOST || code == of(Kind::Reference) => format!(
            "`{name}` takes a reference that nobody gives back: look for a release in which it does (Py_DECREF, on error paths too), and report it there if there is none. Where it is meant to take one (Py_IncRef through ctypes), pair it with the call that gives it back.",
        ),
        _ => format!(
            "What `{name}` allocates is released by another call: make that call when its user is done (free, close, clear), or keep the object that owns it for a shorter time.",
        ),
    }
}

/// The container that holds the same entries weakly; `None` where nothing can: objects of Python's own plain types (int,
/// str, dict, list, …) take no weak references.
fn weakly(route: &Route) -> Option<&'static str> {
    const BUILTIN_WITH_WEAK_REFERENCES: [&str; 4] = ["set", "frozenset", "function", "type"];
    if !route.kept.contains('.') && !BUILTIN_WITH_WEAK_REFERENCES.contains(&&*route.kept) {
        return None;
    }
    let holder: Option<&Step> = route.steps.get(route.at);
    Some(match holder.map(|step| step.kind.as_str()) {
        Some("dict") => " (weakref.WeakValueDictionary)",
        Some("list" | "set") => " (weakref.WeakSet)",
        _ => "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::{holder::Chosen, path::Phase, route};

    /// What, type and kind of edge of each step; place of the holder; code.
    type Example<'a> = (&'a [(&'a str, &'a str, &'a str)], usize, &'a str);

    fn route_of(root: &Root, gain: Gain, at: usize, steps: &[(&str, &str, &str)]) -> Route {
        let steps: Vec<Step> = steps
            .iter()
            .enumerate()
            .map(|(at, (what, kind, edge))| Step {
                at,
                what: (*what).to_owned(),
                kind: (*kind).to_owned(),
                text: (*kind).to_owned(),
                edge: ((*edge).to_owned(), format!(".{edge}")),
                method: *kind == "method cache",
                ..Step::default()
            })
            .collect();
        let chosen = Chosen {
            way: Vec::new(),
            at,
            gain,
            gained: None,
            phase: Phase::Code,
            alone: true,
        };
        route::describe(&chosen, root, steps, 5).unwrap()
    }

    #[test]
    fn only_what_takes_weak_references_is_to_be_held_weakly() {
        let kept = |kind: &'static str| {
            let module = ("module", "app", "attribute");
            let list = ("container", "list", "index");
            let steps = [module, list, ("object", kind, "")];
            let route = route_of(&Root::Module, Gain::Entries, 1, &steps);
            advice_for("LK101", &route)
        };
        assert!(kept("app.S").ends_with("hold its entries weakly (weakref.WeakSet)."));
        assert!(
            kept("dict").ends_with("or give app.attribute a bound."),
            "{}",
            kept("dict")
        );
    }

    #[test]
    fn a_lost_reference_is_given_back_by_no_other_call_whoever_takes_it() {
        let advice = |code: &str, owner| {
            let function = NativeFunction {
                name: "ipc.Memory.write".to_owned(),
                library: "ipc".to_owned(),
                owner,
                ..NativeFunction::default()
            };
            advice_native(code, &function)
        };
        let reference = of(Kind::Reference);
        for code in [LOST, reference] {
            for owner in [None, Some(Owner::Project)] {
                let advice = advice(code, owner);
                assert!(advice.contains("Py_DECREF"), "{advice}");
                assert!(!advice.contains("released by another call"), "{advice}");
            }
        }
        // A package that is built into one file and says nothing of itself.
        assert!(advice(reference, Some(Owner::Dependency)).contains("takes a reference"));
        assert!(advice(of(Kind::Native), None).contains("is released by another call"));
    }

    #[test]
    fn what_the_way_goes_through_decides_the_code() {
        let module = ("module", "app", "attribute");
        let list = ("container", "list", "index");
        let cases: [Example<'_>; 9] = [
            (&[module, list, ("object", "app.S", "")], 1, "LK101"),
            (
                &[
                    module,
                    ("class", "type", "attribute"),
                    list,
                    ("object", "app.S", ""),
                ],
                2,
                "LK103",
            ),
            (
                &[
                    module,
                    ("cache", "plain cache", "cached"),
                    ("object", "app.S", ""),
                ],
                1,
                "LK104",
            ),
            (
                &[
                    module,
                    ("cache", "method cache", "cached"),
                    ("object", "app.S", ""),
                ],
                1,
                "LK105",
            ),
            (
                &[
                    module,
                    list,
                    ("method", "method", "self"),
                    ("object", "app.S", ""),
                ],
                1,
                "LK106",
            ),
            (
                &[
                    module,
                    ("function", "function", "closure"),
                    list,
                    ("object", "app.S", ""),
                ],
                2,
                "LK107",
            ),
            (
                &[
                    module,
                    ("collection", "weakref.WeakKeyDictionary", "attribute"),
                    ("object", "app.S", ""),
                ],
                1,
                "LK108",
            ),
            (&[module, list, ("exception", "ValueError", "")], 1, "LK109"),
            (&[module, list, ("suspended", "generator", "")], 1, "LK113"),
        ];
        for (steps, at, code) in cases {
            let route = route_of(&Root::Module, Gain::Entries, at, steps);
            assert_eq!(of_route(Kind::Python, &route), code, "{steps:?}");
            assert!(
                advice_for(code, &route).contains(&route.holder.name),
                "{code}"
            );
        }
        let chain = route_of(
            &Root::Module,
            Gain::Newest,
            0,
            &[module, ("object", "app.Cell", "")],
        );
        assert_eq!(of_route(Kind::Python, &chain), "LK114");
        assert_eq!(of_route(Kind::Fd, &chain), "LK301");
        let fixture = route_of(
            &Root::Fixture,
            Gain::Entries,
            1,
            &[
                ("fixture", "fixture 'bus'", "attribute"),
                list,
                ("object", "app.S", ""),
            ],
        );
        assert_eq!(of_route(Kind::Python, &fixture), "LK115");
        // A list that is a variable of a function that runs is the project's, and a signal's handler is not.
        for (root, code) in [
            (Root::Frame("worker, in serve: kept".to_owned()), "LK101"),
            (Root::Named("signal".to_owned()), INTERPRETER),
        ] {
            let held = route_of(&root, Gain::Entries, 0, &[list, ("object", "app.S", "")]);
            assert_eq!(of_route(Kind::Python, &held), code);
        }
    }

    #[test]
    fn the_subclasses_of_a_class_are_classes() {
        let mut route = route_of(
            &Root::Outside,
            Gain::Entries,
            0,
            &[
                ("container", "dict", "index"),
                ("weakref", "weakref.ReferenceType", ""),
            ],
        );
        assert_eq!(of_route(Kind::Python, &route), "LK101");
        assert!(advice_for("LK101", &route).starts_with("Remove the weakref from "));
        route.steps[0].registry = Some("app.Base.__subclasses__()".to_owned());
        assert_eq!(of_route(Kind::Python, &route), "LK116");
    }

    #[test]
    fn a_weak_dictionary_is_told_by_what_it_holds_weakly() {
        for (kind, begins) in [
            ("weakref.WeakKeyDictionary", "The value in "),
            ("weakref.WeakValueDictionary", "The key in "),
        ] {
            let steps = [
                ("module", "app", "attribute"),
                ("collection", kind, "attribute"),
                ("object", "app.S", ""),
            ];
            let route = route_of(&Root::Module, Gain::Entries, 1, &steps);
            assert!(advice_for("LK108", &route).starts_with(begins), "{kind}");
        }
    }

    #[test]
    fn a_registry_of_the_tests_own_is_said_to_be_one() {
        let route = route_of(
            &Root::Module,
            Gain::Entries,
            1,
            &[
                ("module", "tests.test_bus", "attribute"),
                ("container", "list", "index"),
                ("object", "x.S", ""),
            ],
        );
        assert!(
            advice_for("LK101", &route)
                .ends_with("module tests.test_bus leads to it: look there first.")
        );
    }

    #[test]
    fn every_kind_without_a_holder_has_advice_of_its_own() {
        let mut codes: Vec<_> = Kind::ALL
            .into_iter()
            .map(of)
            .chain([CRASH, HANG, LOST, RELEASED])
            .collect();
        let mut texts: Vec<_> = codes.iter().map(|code| advice(code)).collect();
        assert!(texts.iter().all(|text| !text.is_empty()));
        codes.sort_unstable();
        codes.dedup();
        texts.sort_unstable();
        texts.dedup();
        let all = Kind::ALL.len() + 4;
        assert_eq!(codes.len(), all, "two kinds with one code: {codes:?}");
        assert_eq!(texts.len(), all, "two kinds with one advice: {texts:#?}");
    }
}
