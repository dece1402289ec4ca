//! What a test has that is made once and not anew for each of its repeats: a parameter, an argument of a mark, a default, a
//! variable of the function around it. A plain run uses it once; growth in it is made by repeating.

use super::{
    path::Root,
    route::{Route, Step},
};

/// Which of these a test changes, in words: `its own parameter 'G'`. None where what holds is something else.
/// `test` is the name of the test's function.
pub fn changed(route: &Route, test: &str) -> Option<String> {
    let before = &route.steps[..=route.at.min(route.steps.len() - 1)];
    // Who else holds it keeps it where the test is not repeated.
    if !route.holder.also.is_empty() {
        return None;
    }
    match route.root {
        Root::Runner => of_item(before),
        Root::Fixture => {
            let first = before.first()?;
            let what = format!("a parameter of its own {}", first.text);
            (first.edge.1 == ".params").then_some(what)
        }
        Root::Module => before.iter().find_map(|step| of_function(step, test)),
        _ => None,
    }
}

fn of_item(steps: &[Step]) -> Option<String> {
    let at = { steps.iter() }.position(|step| {
        ["_pytest.python.CallSpec", "_pytest.mark.structures."]
            .iter()
            .any(|kind| step.kind.starts_with(kind))
    })?;
    if steps[at].kind.starts_with("_pytest.mark.") {
        return Some("an argument of its own mark".to_owned());
    }
    let key = { steps[at..].iter() }.find(|step| step.edge.0 == "key")?;
    let name = key.edge.1.trim_matches(['[', ']']);
    Some(format!("its own parameter {name}"))
}

fn of_function(step: &Step, test: &str) -> Option<String> {
    let name = step.name.as_deref()?.rsplit('.').next()?;
    if step.what != "function" || name != test {
        return None;
    }
    let variable = step.edge.1.rsplit(' ').next()?;
    match step.edge.0.as_str() {
        "default" => Some(format!("the default of its own argument `{variable}`")),
        "closure" => Some(format!("`{variable}` of the function around it")),
        _ => None,
    }
}

/// Whether a watched container is a default or a variable around the function `test`: `shop.test_it.<default>`.
pub fn is_variable(container: &str, test: &str) -> bool {
    let variable = |name: &str| name.starts_with('<') && name.ends_with('>');
    let (owner, name) = container.rsplit_once('.').unwrap_or(("", container));
    variable(name) && owner.rsplit('.').next() == Some(test)
}

/// The name of a test's function, out of its id.
pub fn function_of(id: &str) -> &str {
    let head = id.split('[').next().unwrap_or(id);
    head.rsplit(['.', ':']).next().unwrap_or(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{finding::Holder, heap::holder::Gain};

    fn route(root: Root, steps: &[(&str, &str, &str, &str, &str)]) -> Route {
        let step = |(kind, what, text, edge, by): &(&str, &str, &str, &str, &str)| Step {
            kind: (*kind).to_owned(),
            what: (*what).to_owned(),
            text: (*text).to_owned(),
            edge: ((*edge).to_owned(), (*by).to_owned()),
            name: (*what == "function")
                .then(|| format!("test_a.{}", text.trim_start_matches("function "))),
            ..Step::default()
        };
        Route {
            holder: Holder::named("x"),
            steps: steps.iter().map(step).collect(),
            at: steps.len() - 1,
            gain: Gain::Entries,
            gained_each: None,
            bound: None,
            root,
            kept: String::new(),
            born: Vec::new(),
            ends: None,
        }
    }

    #[test]
    fn what_is_made_once_for_all_repeats_is_told() {
        let item = (
            "_pytest.python.Function",
            "object",
            "Function",
            "attribute",
            ".callspec",
        );
        let spec = (
            "_pytest.python.CallSpec2",
            "object",
            "CallSpec2",
            "attribute",
            ".params",
        );
        let params = ("dict", "container", "dict", "key", "['G']");
        let graph = ("shop.Graph", "object", "Graph", "attribute", ".edges");
        let mark = (
            "_pytest.mark.structures.Mark",
            "object",
            "Mark",
            "attribute",
            ".args",
        );
        let fixture = (
            "_pytest.fixtures.FixtureDef",
            "fixture",
            "fixture 'graph'",
            "attribute",
            ".params",
        );
        let default = (
            "function",
            "function",
            "function test_it",
            "default",
            " default seen",
        );
        let closure = (
            "function",
            "function",
            "function test_it",
            "closure",
            " closure log",
        );
        let module = ("module", "module", "test_a", "attribute", ".test_it");
        for (route, expected) in [
            (
                route(Root::Runner, &[item, spec, params, graph]),
                Some("its own parameter 'G'"),
            ),
            (
                route(Root::Runner, &[item, mark]),
                Some("an argument of its own mark"),
            ),
            (
                route(Root::Fixture, &[fixture, graph]),
                Some("a parameter of its own fixture 'graph'"),
            ),
            (
                route(Root::Module, &[module, default]),
                Some("the default of its own argument `seen`"),
            ),
            (
                route(Root::Module, &[module, closure]),
                Some("`log` of the function around it"),
            ),
            // The runner's own state, what a fixture made, and other functions are no part of the test.
            (route(Root::Runner, &[item, graph]), None),
            (route(Root::Fixture, &[graph]), None),
            (route(Root::Module, &[module, graph]), None),
            (
                route(
                    Root::Module,
                    &[
                        module,
                        (
                            "function",
                            "function",
                            "function order",
                            "default",
                            " default seen",
                        ),
                    ],
                ),
                None,
            ),
        ] {
            assert_eq!(changed(&route, "test_it").as_deref(), expected);
        }
        let mut held = route(Root::Runner, &[item, spec, params, graph]);
        held.holder.also.push("shop.GRAPHS".to_owned());
        assert_eq!(changed(&held, "test_it"), None);
    }

    #[test]
    fn a_variable_of_a_function_is_told_from_that_of_another() {
        assert!(is_variable("shop.TestA.test_it.<default>", "test_it"));
        assert!(is_variable("shop.test_it.<log>", "test_it"));
        assert!(!is_variable("shop.order.<default>", "test_it"));
        assert!(!is_variable("shop.test_it.orders", "test_it"));
    }

    #[test]
    fn an_id_ends_in_its_function() {
        for id in [
            "tests/test_a.py::TestA::test_it[G0-x.y]",
            "test_a.TestA.test_it",
            "test_it",
        ] {
            assert_eq!(function_of(id), "test_it");
        }
    }
}
