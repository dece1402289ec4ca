//! Which line or C call native memory stays through, out of the net of every line and call of some iterations.

use serde::Deserialize;

use super::sites;
use crate::heap::owner::Places;

/// Malloc's smallest chunk keeps a remainder of half its size where that is too small to split off.
pub const WOBBLE: i64 = 16;
/// Passages of one leak that are told.
const MOST: usize = 4;

/// A frame, a line of it or a C call in that, by how it was reached.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Index of the node that it is part of; below 0 for the whole iteration.
    #[serde(rename = "in")]
    pub parent: i64,
    /// What it added to the heap, or to what else was read, in each iteration.
    pub nets: Vec<i64>,
    /// Of a frame: file and first line of its code.
    pub frame: Option<(String, u32)>,
    /// Of a line: its number.
    pub line: Option<u32>,
    /// Of a C call: what is called.
    pub call: Option<Function>,
    /// Of a line: what it may call without being seen to.
    pub silent: Vec<Function>,
}

/// A function of machine code: its name, and the path of the shared object that it is in (empty where unknown).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Function(pub String, pub String);

/// Where what stays is allocated.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// File and line of each frame, innermost first.
    pub frames: Vec<(String, u32)>,
    /// What these call, where that is known.
    pub function: Option<Function>,
    /// Whether it adds just what stays; otherwise nothing else adds as much.
    pub certain: bool,
    /// Bytes, or what else was read, per iteration.
    pub bytes: f64,
    /// Chunks of memory per iteration, where these were looked at.
    pub chunks: f64,
    /// The machine code that asks for them, innermost first: path of its file, and the byte in it. Empty where only sums
    /// were looked at.
    pub stack: Vec<(String, u64)>,
}

impl Passage {
    /// The frames that a reader is shown: from the first of the project or a dependency on.
    pub fn shown(&self, places: &Places) -> &[(String, u32)] {
        sites::from_chosen(&self.frames, places)
    }
}

/// Where what each iteration adds, `totals`, comes from, with readings that are exact to `slack`. Empty where that cannot
/// be told.
pub fn passages(nodes: &[Node], totals: &[i64], slack: i64) -> Vec<Passage> {
    let grown = totals.iter().filter(|added| **added > 0).count();
    if nodes.is_empty() || totals.len() < 3 || grown < 2 {
        return Vec::new();
    }
    let mut children = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate().skip(1) {
        if let Some(parent) = usize::try_from(node.parent)
            .ok()
            .filter(|parent| *parent < at)
        {
            children[parent].push(at);
        }
    }
    let tree = Tree {
        nodes,
        children,
        slack,
    };
    let mut found = tree.explain(0, totals, true);
    found.retain(|passage| !passage.frames.is_empty());
    // Counts are exact: there the line that is not told is better than another one.
    if found.is_empty() && slack > 0 {
        found = tree.nearly(totals);
    }
    found.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
    found.truncate(MOST);
    found
}

struct Tree<'a> {
    nodes: &'a [Node],
    children: Vec<Vec<usize>>,
    slack: i64,
}

impl Tree<'_> {
    /// The passages within a node that add `wanted` bytes in each iteration.
    fn explain(&self, at: usize, wanted: &[i64], certain: bool) -> Vec<Passage> {
        let alike = self.nearest(at, wanted);
        if let [only] = alike[..] {
            return self.explain(only, wanted, certain);
        }
        if alike.is_empty() {
            let parts = self.parts(at, wanted);
            if !parts.is_empty() {
                return parts
                    .into_iter()
                    .flat_map(|part| self.explain(part, &self.nodes[part].nets, certain))
                    .collect();
            }
            // What a call returns is counted with it, and goes later; then it adds more than stays.
            if let Some(only) = self.only_enough(at, wanted) {
                return self.explain(only, &self.nodes[only].nets, false);
            }
        }
        vec![self.passage(at, wanted, certain)]
    }

    /// Where nothing adds just what stays: down to the innermost that adds most of it, or whatever frame or line it is in.
    /// Memory that goes with a frame or an object is taken off elsewhere.
    fn nearly(&self, wanted: &[i64]) -> Vec<Passage> {
        let sum = |at: usize| self.nodes[at].nets.iter().sum::<i64>();
        let whole: i64 = wanted.iter().sum();
        let mut at = 0;
        let mut told = Vec::new();
        // What adds far more than stays is freed in part by what comes after it: whichever of them is to blame, it is here.
        while sum(at).saturating_mul(4) <= whole.saturating_mul(5) || at == 0 {
            let mut most: Vec<usize> = { self.children[at].iter().copied() }
                .filter(|child| sum(*child).saturating_mul(5) >= whole.saturating_mul(4))
                .collect();
            most.sort_by_key(|child| sum(*child).abs_diff(whole));
            let passages = most.iter().map(|child| self.passage(*child, wanted, false));
            let passages: Vec<Passage> = passages.filter(|it| !it.frames.is_empty()).collect();
            if most.len() > 1 {
                // Of several none is chosen, if the line that calls them can be told.
                return if told.is_empty() { passages } else { told };
            }
            let Some(only) = most.first() else {
                break;
            };
            at = *only;
            if !passages.is_empty() {
                told = passages;
            }
        }
        told
    }

    /// The outermost nodes below `at` that add just what is wanted.
    fn nearest(&self, at: usize, wanted: &[i64]) -> Vec<usize> {
        let mut found = Vec::new();
        let mut waiting = self.children[at].clone();
        while let Some(child) = waiting.pop() {
            if agrees(&self.nodes[child].nets, wanted, self.slack) {
                found.push(child);
            } else {
                waiting.extend(&self.children[child]);
            }
        }
        found
    }

    /// Several children that together add what is wanted, and none that takes anything away.
    fn parts(&self, at: usize, wanted: &[i64]) -> Vec<usize> {
        let children = &self.children[at];
        if children.len() < 2
            || children
                .iter()
                .any(|child| self.nodes[*child].nets.iter().sum::<i64>() <= 0)
        {
            return Vec::new();
        }
        let mut sum = vec![0; wanted.len()];
        for child in children {
            for (sum, net) in sum.iter_mut().zip(&self.nodes[*child].nets) {
                *sum += net;
            }
        }
        if agrees(&sum, wanted, self.slack) {
            children.clone()
        } else {
            Vec::new()
        }
    }

    /// The only line or call below a frame or line that adds at least what is wanted.
    fn only_enough(&self, at: usize, wanted: &[i64]) -> Option<usize> {
        let enough = |child: &&usize| {
            let nets = &self.nodes[**child].nets;
            nets.len() == wanted.len() && nets.iter().zip(wanted).all(|(net, wanted)| net >= wanted)
        };
        let mut found = self.children[at].iter().filter(enough);
        let first = found.next().copied()?;
        let inner = self.nodes[first].frame.is_none();
        (found.next().is_none() && inner && at > 0).then_some(first)
    }

    /// Frames from `at` outwards. A frame in which no line can be told is left out: the line that calls it can.
    fn passage(&self, at: usize, wanted: &[i64], certain: bool) -> Passage {
        let node = &self.nodes[at];
        let mut function = node.call.clone();
        let mut certain = certain;
        if function.is_none() && self.children[at].is_empty() {
            // Nothing on this line was seen to be called; or a frame that is not to blame, and then what ran just before
            // it, on the line that calls it.
            let line = match (&node.frame, usize::try_from(node.parent)) {
                (Some(_), Ok(parent)) => &self.nodes[parent],
                _ => node,
            };
            if let [only] = &line.silent[..] {
                function = Some(only.clone());
                certain &= node.frame.is_none();
            }
        }
        let mut frames = Vec::new();
        let mut line = None;
        let mut up = Some(at);
        while let Some(here) = up {
            let node = &self.nodes[here];
            if node.line.is_some() {
                line = node.line;
            } else if let (Some((file, _)), Some(number)) = (&node.frame, line.take()) {
                frames.push((file.clone(), number));
            }
            up = usize::try_from(node.parent).ok();
        }
        Passage {
            frames,
            function,
            certain,
            chunks: 0.0,
            stack: Vec::new(),
            bytes: wanted.iter().sum::<i64>() as f64 / wanted.len() as f64,
        }
    }
}

/// Python's core is in its executable, or in a library of its own.
pub fn is_interpreter(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("python") && !name.ends_with(".so") || name.starts_with("libpython")
}

/// Whether a node adds what is wanted in all iterations but one of five, and in two that grew at least.
fn agrees(nets: &[i64], wanted: &[i64], slack: i64) -> bool {
    if nets.len() != wanted.len() {
        return false;
    }
    let near =
        |(net, wanted): &(&i64, &i64)| (**net - **wanted).abs() <= slack && **net >= **wanted / 2;
    let votes = nets.iter().zip(wanted).filter(near).count();
    let grown = nets
        .iter()
        .zip(wanted)
        .filter(near)
        .filter(|(_, wanted)| **wanted > 0)
        .count();
    grown >= 2 && votes + wanted.len() / 5 >= wanted.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(parent: i64, file: &str, nets: &[i64]) -> Node {
        Node {
            parent,
            nets: nets.to_vec(),
            frame: Some((file.to_owned(), 1)),
            ..Node::default()
        }
    }

    fn line(parent: i64, number: u32, nets: &[i64]) -> Node {
        Node {
            parent,
            nets: nets.to_vec(),
            line: Some(number),
            ..Node::default()
        }
    }

    fn call(parent: i64, name: &str, nets: &[i64]) -> Node {
        Node {
            parent,
            nets: nets.to_vec(),
            call: Some(Function(name.to_owned(), String::new())),
            ..Node::default()
        }
    }

    fn root() -> Node {
        Node {
            parent: -1,
            ..Node::default()
        }
    }

    /// File, line, function and certainty of each passage.
    fn told(nodes: &[Node], heap: &[i64]) -> Vec<(String, u32, Option<String>, bool)> {
        passages(nodes, heap, WOBBLE)
            .into_iter()
            .map(|passage| {
                let (file, line) = passage.frames[0].clone();
                let name = passage.function.map(|function| function.0);
                (file, line, name, passage.certain)
            })
            .collect()
    }

    fn one(
        file: &str,
        line: u32,
        name: Option<&str>,
        certain: bool,
    ) -> Vec<(String, u32, Option<String>, bool)> {
        vec![(file.to_owned(), line, name.map(str::to_owned), certain)]
    }

    const LEAK: [i64; 4] = [112; 4];

    #[test]
    fn the_call_that_adds_what_stays_is_told_with_the_lines_that_lead_to_it() {
        let nodes = [
            root(),
            frame(0, "test.py", &LEAK),
            line(1, 7, &LEAK),
            frame(2, "app.py", &[112, 128, 112, 112]),
            line(3, 20, &[500; 4]),
            line(3, 21, &LEAK),
            call(5, "_fast.pack", &LEAK),
        ];
        assert_eq!(
            told(&nodes, &LEAK),
            one("app.py", 21, Some("_fast.pack"), true)
        );
        let frames = &passages(&nodes, &LEAK, WOBBLE)[0].frames;
        assert_eq!(frames[1], ("test.py".to_owned(), 7));
    }

    #[test]
    fn what_does_not_add_up_stays_with_the_line_that_calls_it() {
        // Two lines of the inner frame could be it.
        let nodes = [
            root(),
            frame(0, "test.py", &LEAK),
            line(1, 7, &LEAK),
            frame(2, "app.py", &LEAK),
            line(3, 20, &[300; 4]),
            line(3, 21, &[400; 4]),
        ];
        assert_eq!(told(&nodes, &LEAK), one("test.py", 7, None, true));
        // Of two that add the same, none is chosen.
        let nodes = [
            root(),
            frame(0, "test.py", &LEAK),
            line(1, 7, &LEAK),
            line(1, 8, &LEAK),
        ];
        let found = told(&nodes, &LEAK);
        let lines: Vec<_> = found
            .iter()
            .map(|(_, line, _, certain)| (*line, *certain))
            .collect();
        assert_eq!(lines, [(7, false), (8, false)]);
    }

    #[test]
    fn a_leak_is_never_without_a_place() {
        // Memory of 128 bytes goes when the frame ends, and the one who leaves 99 % of what stays is told all the same.
        let whole = [18_000; 4];
        let mut nodes = vec![
            root(),
            frame(0, "test.py", &whole),
            line(1, 7, &[300; 4]),
            line(1, 8, &[17_872; 4]),
            call(3, "_fast.pack", &[17_872; 4]),
            line(1, 9, &[-172; 4]),
        ];
        assert_eq!(
            told(&nodes, &whole),
            one("test.py", 8, Some("_fast.pack"), false)
        );
        // An opening call and a closing one that does not free all of it: the line that calls both.
        let leak = [4_512; 4];
        nodes = vec![
            root(),
            frame(0, "test.py", &[4_700; 4]),
            line(1, 7, &[4_600; 4]),
            frame(2, "app.py", &[4_600; 4]),
            line(3, 20, &[594_784; 4]),
            line(3, 21, &[-590_184; 4]),
            line(1, 8, &[100; 4]),
        ];
        assert_eq!(told(&nodes, &leak), one("app.py", 20, None, false));
    }

    #[test]
    fn a_call_that_also_returns_something_large_is_told_with_less_certainty() {
        let nodes = [
            root(),
            frame(0, "test.py", &LEAK),
            line(1, 7, &[5112; 4]),
            call(2, "_fast.pack", &[5112; 4]),
            line(1, 8, &[40; 4]),
        ];
        assert_eq!(
            told(&nodes, &LEAK),
            one("test.py", 7, Some("_fast.pack"), false)
        );
    }

    #[test]
    fn several_places_that_make_up_the_sum_are_all_told() {
        let nodes = [
            root(),
            frame(0, "test.py", &[300; 4]),
            line(1, 7, &[100; 4]),
            call(2, "a", &[100; 4]),
            line(1, 8, &[200; 4]),
            call(4, "b", &[200; 4]),
        ];
        let found = told(&nodes, &[300; 4]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].2.as_deref(), Some("b"));
    }

    #[test]
    fn growth_that_comes_now_and_then_is_followed_by_when_it_comes() {
        let heap = [0, 0, 176, 0, 0, 176, 0, 0];
        let nodes = [
            root(),
            frame(0, "test.py", &heap),
            line(1, 7, &heap),
            line(1, 8, &[176, 0, 0, 176, 0, 0, 176, 0]),
        ];
        assert_eq!(told(&nodes, &heap), one("test.py", 7, None, true));
        assert_eq!(told(&nodes, &[0, 0, 0, 176]), [], "once is no growth");
    }

    #[test]
    fn a_function_that_is_not_seen_to_be_called_is_told_where_nothing_else_is_called() {
        let silent = Function("malloc".to_owned(), "/lib/libc.so.6".to_owned());
        let mut leaking = line(1, 7, &LEAK);
        leaking.silent = vec![silent.clone()];
        let mut nodes = vec![root(), frame(0, "test.py", &LEAK), leaking];
        assert_eq!(told(&nodes, &LEAK), one("test.py", 7, Some("malloc"), true));
        nodes[2]
            .silent
            .push(Function("free".to_owned(), String::new()));
        assert_eq!(told(&nodes, &LEAK), one("test.py", 7, None, true));
    }
}
