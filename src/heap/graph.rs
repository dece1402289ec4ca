//! The heap as a graph: objects by number, what each refers to, and in which iteration it was born.

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, BufReader, Read},
    path::Path,
};

use crate::files::read;

/// What is known of a dumped heap besides the columns in its file.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
pub struct Dump {
    /// How many objects each judged iteration left when it ended.
    pub cohorts: Vec<usize>,
    /// How often these objects referred to something that the collector does not know.
    pub mentions: Vec<usize>,
    /// How many containers were counted when the window opened.
    pub census: usize,
    /// Objects in the file.
    pub objects: usize,
    /// Names of the types, by number.
    pub types: Vec<String>,
    /// Of each type, whether memory that Python knows nothing of may go with its instances.
    #[serde(default)]
    pub owners: Vec<bool>,
    /// Of each type, whether its instances may refer to others which the collector cannot see.
    #[serde(default)]
    pub opaque: Vec<bool>,
    /// Modules: identity, name and file.
    pub modules: Vec<(u64, String, Option<String>)>,
    /// What keeps objects alive without being one: kind, name, and the objects it refers to.
    pub roots: Vec<(String, String, Vec<u64>)>,
    /// How many `atexit` callbacks were added in the window.
    pub exits: i64,
    /// Whether an instance's attributes are an object of their own (before Python 3.11).
    pub split_dicts: bool,
}

/// Of identities that objects of the window refer to: the first and the last of the iterations one after the other, the latest
/// ones, at whose ends a new object did.
type Mentions = HashMap<u64, (u16, u16)>;

/// Objects are numbered as they stand in the file.
#[derive(Debug, Default)]
pub struct Graph {
    /// Identity (`id`) of each object.
    pub ids: Vec<u64>,
    /// Number of its type.
    pub kinds: Vec<u32>,
    /// Bytes of the object itself; 0 where it was not measured, as of all that was there before the window.
    pub sizes: Vec<u64>,
    /// References to it, those of the measuring left out; 0 where it was not measured.
    pub counts: Vec<i64>,
    /// Entries; -1 for what has none.
    pub lengths: Vec<i64>,
    /// Entries when the window opened; -1 for what was not there or has none.
    pub before: Vec<i64>,
    /// The judged iteration that it was born in, from 1; 0 for what was there before.
    pub cohort: Vec<u16>,
    /// How many objects refer to it, each as often as it does.
    pub referrers: Vec<u32>,
    /// Names of the types.
    pub types: Vec<String>,
    /// How many iterations were judged.
    pub iterations: u16,
    /// Whether the collector knows it. What it does not know has no place among what was born when.
    tracked: Vec<bool>,
    offsets: Vec<usize>,
    targets: Vec<u32>,
    index: HashMap<u64, u32>,
}

/// Bytes of the longest file of a heap: one of fifty million objects.
const LONGEST: u64 = 4 << 30;

impl Dump {
    /// Whether instances of a type may refer to what the collector does not see.
    pub fn is_opaque(&self, kind: u32) -> bool {
        self.opaque.get(kind as usize) == Some(&true)
    }
}

impl Graph {
    /// Reads the file that the bridge wrote.
    pub fn of_file(path: &Path, dump: &Dump) -> io::Result<Graph> {
        let file = read::open(path).map_err(io::Error::other)?;
        Graph::read(BufReader::new(file.take(LONGEST)), dump)
    }

    /// The identities of the objects of a way.
    pub fn ids_of(&self, way: &[u32]) -> Vec<u64> {
        way.iter().map(|node| self.ids[*node as usize]).collect()
    }

    /// Reads the columns that the bridge wrote.
    pub fn read(mut file: impl Read, dump: &Dump) -> io::Result<Graph> {
        let mut graph = Graph {
            types: dump.types.clone(),
            iterations: u16::try_from(dump.cohorts.len()).unwrap_or(u16::MAX),
            offsets: vec![0],
            ..Graph::default()
        };
        let mut edges: Vec<u64> = Vec::new();
        loop {
            let header = column::<8>(&mut file, 3)?;
            let (nodes, untracked, targets) = (
                number(&header[0])?,
                number(&header[1])?,
                number(&header[2])?,
            );
            if nodes == 0 {
                break;
            }
            let words = |file: &mut _, count| -> io::Result<Vec<u64>> {
                Ok(column::<8>(file, count)?
                    .iter()
                    .map(|word| u64::from_ne_bytes(*word))
                    .collect())
            };
            graph.ids.extend(words(&mut file, nodes)?);
            // Only now is it certain that there are so many.
            let tracked = nodes.saturating_sub(untracked);
            graph.tracked.extend((0..nodes).map(|at| at < tracked));
            graph.sizes.extend(words(&mut file, nodes)?);
            let signed = |word: u64| word.cast_signed();
            graph
                .counts
                .extend(words(&mut file, nodes)?.into_iter().map(signed));
            graph
                .lengths
                .extend(words(&mut file, nodes)?.into_iter().map(signed));
            edges.extend(words(&mut file, targets)?);
            let small = |file: &mut _| -> io::Result<Vec<u32>> {
                Ok(column::<4>(file, nodes)?
                    .iter()
                    .map(|word| u32::from_ne_bytes(*word))
                    .collect())
            };
            graph.kinds.extend(small(&mut file)?);
            let mut end = *graph.offsets.last().unwrap_or(&0);
            for degree in small(&mut file)? {
                end += degree as usize;
                graph.offsets.push(end);
            }
            if end != edges.len() {
                return Err(damaged("the objects do not refer to as many as are there"));
            }
        }
        if u32::try_from(graph.ids.len()).is_err() || u16::try_from(dump.cohorts.len()).is_err() {
            return Err(damaged("it is larger than any heap"));
        }
        if graph
            .kinds
            .iter()
            .any(|kind| *kind as usize >= dump.types.len())
        {
            return Err(damaged("an object is of a type that has no name"));
        }
        for (at, id) in graph.ids.iter().enumerate() {
            // Should one object stand there twice, the first one is it.
            graph.index.entry(*id).or_insert(at as u32);
        }
        graph.connect(&edges);
        graph.cohort = vec![0; graph.ids.len()];
        for (iteration, count) in dump.cohorts.iter().enumerate() {
            for id in column::<8>(&mut file, *count)? {
                // A later object of the same identity overwrites an earlier one.
                if let Some(at) = graph.index.get(&u64::from_ne_bytes(id))
                    && graph.tracked[*at as usize]
                {
                    graph.cohort[*at as usize] = iteration as u16 + 1;
                }
            }
        }
        let mut mentioned: Mentions = HashMap::new();
        for (iteration, count) in dump.mentions.iter().enumerate() {
            let iteration = iteration as u16 + 1;
            for id in column::<8>(&mut file, *count)? {
                mention(&mut mentioned, u64::from_ne_bytes(id), iteration);
            }
        }
        let known = column::<8>(&mut file, dump.census)?;
        let lengths = column::<8>(&mut file, dump.census)?;
        graph.before = vec![-1; graph.ids.len()];
        for (id, length) in known.iter().zip(&lengths) {
            if let Some(at) = graph.index.get(&u64::from_ne_bytes(*id)) {
                graph.before[*at as usize] = i64::from_ne_bytes(*length);
            }
        }
        graph.check_sums()?;
        graph.adopt(&mentioned);
        Ok(graph)
    }

    /// Fails where a sum over the objects may overflow: no heap has so many bytes or entries.
    fn check_sums(&self) -> io::Result<()> {
        const MOST: u64 = 1 << 45;
        let signed = |column: &[i64]| {
            let mut all = column.iter().map(|value| value.unsigned_abs());
            all.try_fold(0, u64::checked_add)
        };
        let sums = [
            self.sizes.iter().copied().try_fold(0, u64::checked_add),
            signed(&self.counts),
            signed(&self.lengths),
            signed(&self.before),
        ];
        if sums.iter().any(|sum| sum.is_none_or(|sum| sum > MOST)) {
            return Err(damaged("its figures are larger than any heap's"));
        }
        Ok(())
    }

    /// Turns identities into numbers. What is no node (an untracked string, say) is left out.
    fn connect(&mut self, edges: &[u64]) {
        self.referrers = vec![0; self.ids.len()];
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(0);
        for at in 0..self.ids.len() {
            for id in &edges[self.offsets[at]..self.offsets[at + 1]] {
                if let Some(target) = self.index.get(id) {
                    self.targets.push(*target);
                    self.referrers[*target as usize] += 1;
                }
            }
            offsets.push(self.targets.len());
        }
        self.offsets = offsets;
    }

    /// The collector lists no strings and numbers. One that only survivors refer to was born with the oldest of them; or when
    /// objects of the window began to refer to it at each boundary (a list that is made anew each time with all that the one before
    /// had). One mention long ago tells nothing: at its address something else was then. What it refers to in its turn (a
    /// dictionary of numbers to these, a time to its zone) may have been born with it.
    fn adopt(&mut self, mentioned: &Mentions) {
        let mut found: HashMap<u32, (i64, u16)> = HashMap::new();
        let mut sources: Vec<u32> = (0..self.ids.len() as u32)
            .filter(|node| self.cohort[*node as usize] > 0)
            .collect();
        while !sources.is_empty() {
            let mut met: BTreeSet<u32> = BTreeSet::new();
            for node in std::mem::take(&mut sources) {
                let cohort = self.cohort[node as usize];
                for target in self.targets(node) {
                    let leaf = *target as usize;
                    if self.cohort[leaf] == 0 && !self.tracked[leaf] {
                        let entry = found.entry(*target).or_insert((0, cohort));
                        entry.0 += 1;
                        entry.1 = entry.1.min(cohort);
                        met.insert(*target);
                    }
                }
            }
            for leaf in met {
                let at = leaf as usize;
                let (referrers, cohort) = found[&leaf];
                if self.counts[at] == referrers {
                    let run = mentioned.get(&self.ids[at]);
                    let first = run
                        .filter(|(_, last)| *last >= cohort)
                        .map(|(first, _)| *first);
                    self.cohort[at] = first.map_or(cohort, |first| first.min(cohort));
                    sources.push(leaf);
                }
            }
        }
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// What an object refers to.
    pub fn targets(&self, node: u32) -> &[u32] {
        &self.targets[self.offsets[node as usize]..self.offsets[node as usize + 1]]
    }

    /// The object of an identity.
    pub fn find(&self, id: u64) -> Option<u32> {
        self.index.get(&id).copied()
    }

    /// Name of the type of an object.
    pub fn type_of(&self, node: u32) -> &str {
        self.types
            .get(self.kinds[node as usize] as usize)
            .map_or("?", String::as_str)
    }

    /// The iteration an object was born in, 0 for before the window.
    pub fn born(&self, node: u32) -> u16 {
        self.cohort[node as usize]
    }

    /// Whether the collector knows an object.
    pub fn is_tracked(&self, node: u32) -> bool {
        self.tracked[node as usize]
    }

    /// Entries gained since the window opened; 0 for what is new or has none.
    pub fn gained(&self, node: u32) -> i64 {
        let (before, now) = (self.before[node as usize], self.lengths[node as usize]);
        if before < 0 || now < 0 || self.born(node) > 0 {
            0
        } else {
            now - before
        }
    }

    /// Takes objects, and what containers gained, out of what came in the window.
    pub fn disregard(&mut self, objects: &[u32], containers: &[u32]) {
        for node in objects {
            self.cohort[*node as usize] = 0;
        }
        for node in containers {
            self.before[*node as usize] = self.lengths[*node as usize];
        }
    }

    /// The iterations that vote: neither the first one, which also leaves what appears once, nor the last one, which
    /// also leaves what the next would replace.
    pub fn voters(&self) -> std::ops::RangeInclusive<u16> {
        match self.iterations {
            0 | 1 => 1..=self.iterations,
            2 => 2..=2,
            many => 2..=many - 1,
        }
    }
}

/// Notes that something is referred to at the end of an iteration, of which none comes before an earlier one.
fn mention(mentioned: &mut Mentions, id: u64, iteration: u16) {
    let (first, last) = mentioned.entry(id).or_insert((iteration, iteration));
    if *last + 1 < iteration {
        *first = iteration;
    }
    *last = iteration;
}

/// How many of the iterations that left something are most of them. Of what comes in every fourth iteration only a few
/// tell; then all of these are wanted.
pub fn most_of(iterations: usize) -> usize {
    match iterations {
        few @ 0..=2 => few.max(1),
        many => many.div_ceil(2),
    }
}

fn number(word: &[u8; 8]) -> io::Result<usize> {
    usize::try_from(u64::from_ne_bytes(*word)).map_err(io::Error::other)
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn column<const WIDTH: usize>(file: &mut impl Read, count: usize) -> io::Result<Vec<[u8; WIDTH]>> {
    let mut bytes = Vec::new();
    let wanted = count
        .checked_mul(WIDTH)
        .ok_or_else(|| damaged("a column is longer than any memory"))?;
    file.take(wanted as u64).read_to_end(&mut bytes)?;
    if bytes.len() < wanted {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (words, _) = bytes.as_chunks::<WIDTH>();
    Ok(words.to_vec())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A graph for tests: objects by type, iteration of birth and targets, each of 10 bytes and referred to as often
    /// as it is found to be.
    pub fn graph(objects: &[(&str, u16, &[u32])], iterations: u16) -> Graph {
        let mut graph = Graph {
            iterations,
            offsets: vec![0],
            ..Graph::default()
        };
        for (at, (kind, born, targets)) in objects.iter().enumerate() {
            graph.ids.push(at as u64 * 16);
            graph.index.insert(at as u64 * 16, at as u32);
            graph.kinds.push(at as u32);
            graph.types.push((*kind).to_owned());
            graph.sizes.push(if *born > 0 { 10 } else { 0 });
            graph.cohort.push(*born);
            graph.tracked.push(true);
            graph.lengths.push(-1);
            graph.before.push(-1);
            graph.targets.extend_from_slice(targets);
            graph.offsets.push(graph.targets.len());
        }
        graph.referrers = vec![0; objects.len()];
        for target in graph.targets.clone() {
            graph.referrers[target as usize] += 1;
        }
        graph.counts = graph.referrers.iter().map(|n| i64::from(*n)).collect();
        graph
    }

    /// Makes an object one that the collector does not know.
    pub fn untrack(graph: &mut Graph, node: usize) {
        graph.tracked[node] = false;
    }

    fn dump(cohorts: &[usize], census: usize) -> Dump {
        Dump {
            cohorts: cohorts.to_vec(),
            census,
            types: vec!["list".to_owned(), "str".to_owned()],
            ..Dump::default()
        }
    }

    fn bytes(words: &[u64], small: &[u32]) -> Vec<u8> {
        words
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .chain(small.iter().flat_map(|word| word.to_ne_bytes()))
            .collect()
    }

    #[test]
    fn columns_become_objects_with_referrers_and_ages() {
        // A list of before with two entries more, a list of the second iteration, and a string that only it has.
        let mut file = bytes(&[3, 1, 4], &[]);
        file.extend(bytes(&[100, 200, 300], &[]));
        file.extend(bytes(&[0, 72, 50], &[]));
        file.extend(bytes(&[0, 1, 1], &[]));
        file.extend(bytes(&[3, 1, u64::MAX], &[]));
        file.extend(bytes(&[200, 999, 300, 200], &[0, 0, 1, 2, 1, 1]));
        file.extend(bytes(&[0, 0, 0], &[]));
        file.extend(bytes(&[200, 200], &[]));
        file.extend(bytes(&[100, 1], &[]));
        let graph = Graph::read(&*file, &dump(&[1, 1], 1)).unwrap();
        assert_eq!(graph.targets(0), [1]);
        assert_eq!(graph.referrers, [0, 2, 1]);
        assert_eq!(graph.cohort, [0, 2, 2]);
        assert_eq!(graph.gained(0), 2);
        assert_eq!(graph.type_of(2), "str");
    }

    #[test]
    fn what_the_collector_does_not_list_is_as_old_as_what_alone_leads_to_it() {
        // A zone of the second iteration, its dictionary, the time in that, and a text that a list of before has, too.
        let mut graph = graph(
            &[
                ("object", 2, &[1]),
                ("dict", 0, &[2, 3]),
                ("object", 0, &[0]),
                ("str", 0, &[]),
                ("list", 0, &[3]),
            ],
            3,
        );
        for node in 1..4 {
            untrack(&mut graph, node);
        }
        graph.adopt(&HashMap::from([(32, (1, 2))]));
        assert_eq!(graph.cohort, [2, 2, 1, 0, 0]);
    }

    #[test]
    fn a_mention_long_before_is_none_of_the_run() {
        let mut mentioned = Mentions::new();
        for iteration in [1, 2, 4, 4, 5] {
            mention(&mut mentioned, 16, iteration);
        }
        assert_eq!(mentioned[&16], (4, 5));
    }

    #[test]
    fn what_the_newest_has_from_the_one_before_it_is_as_old_as_it_was_mentioned_on_and_on() {
        // A list of the last iteration with numbers, and one of the second with the same.
        let mut graph = graph(
            &[
                ("list", 4, &[1, 2, 3]),
                ("str", 0, &[]),
                ("str", 0, &[]),
                ("str", 0, &[]),
                ("list", 2, &[5]),
                ("str", 0, &[]),
            ],
            4,
        );
        for node in [1, 2, 3, 5] {
            untrack(&mut graph, node);
        }
        // Since the second iteration; never; now, and long before, which counts no more; and before what has it was there.
        graph.adopt(&HashMap::from([(16, (2, 4)), (48, (4, 4)), (80, (1, 1))]));
        assert_eq!(graph.cohort, [4, 2, 4, 4, 2, 2]);
    }

    #[test]
    fn a_file_that_ends_early_is_an_error() {
        let file = bytes(&[3, 0, 4, 100], &[]);
        assert!(Graph::read(&*file, &dump(&[], 0)).is_err());
    }

    #[test]
    fn numbers_that_lead_out_of_the_file_are_an_error() {
        let block = |header: [u64; 3], kind: u32, degree: u32| {
            let mut file = bytes(&header, &[]);
            file.extend(bytes(&[100, 72, 1, 0, 999], &[kind, degree]));
            file.extend(bytes(&[0, 0, 0], &[]));
            file
        };
        assert!(Graph::read(&*block([1, 0, 1], 0, 1), &dump(&[], 0)).is_ok());
        for file in [
            block([1, 0, 1], 2, 1),
            block([1, 0, 1], 0, u32::MAX),
            block([u64::MAX, 0, 1], 0, 1),
            block([1 << 60, 0, 1 << 61], 0, 1),
        ] {
            assert!(Graph::read(&*file, &dump(&[], 0)).is_err());
        }
        assert!(Graph::read(&*block([1, 0, 1], 0, 1), &dump(&[usize::MAX], 0)).is_err());
    }

    #[test]
    fn the_first_and_the_last_iteration_have_no_vote() {
        let voters = |iterations| graph(&[], iterations).voters();
        assert_eq!(voters(5), 2..=4);
        assert_eq!(voters(3), 2..=2);
        assert_eq!(voters(1), 1..=1);
    }
}
