//! What is fuzzed: one function for each sort of input that leakcheck reads and did not write in the same run.
//!
//! `fuzz_targets` gives them to libFuzzer; `tests/fuzz.rs` gives them what is stored here. None may panic, whatever comes.

use std::{cell::OnceCell, collections::BTreeMap, fs, io, path::PathBuf};

use jiff::civil::date;
use leakcheck::{
    baseline::{files, format::Entry},
    config::Config,
    explain::{lines, lost, native, sites},
    fit::{self, Exactness},
    heap::{
        cycle,
        dominators::Dominators,
        ended,
        graph::{Dump, Graph},
        holder,
        owner::Places,
        path::{Terrain, Ways},
        types,
    },
    investigate::{
        limit, readings,
        rules::RULES,
        signature::signature,
        trial::{Filling, Gained, Levels, Numbers, Told},
    },
    judgement::{Baseline, Joined},
    report::{self, Detail, Format, Style},
    verdict::{
        Series,
        conclusion::{Filled, filled},
    },
    watch::heap::{Heap, memory::Memory},
    worker::{
        answers, marks,
        orders::{self, Order},
        protocol::Record,
        wire,
    },
};

/// Takes an input.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const ALL: [(&str, Target); 6] = [
    ("wire", wire),
    ("snapshot", snapshot),
    ("config", config),
    ("report", report),
    ("heap", heap),
    ("memory", memory),
];

fn places() -> Places {
    Places {
        project: "/p".into(),
        packages: vec!["/p/.venv/site-packages".into()],
        stdlib: vec!["/usr/lib/python3.12".into()],
        bridge: "/tmp/lc".into(),
    }
}

/// A record of a worker: read, compared with an order of its kind, and made something of as a run does.
pub fn wire(data: &[u8]) {
    let line = [b"token ", data].concat();
    let Ok(record) = wire::record(&line, "token") else {
        return;
    };
    let iterations = 4;
    let order = match &record {
        Record::Ran(_) => Order::Run(orders::Run {
            before: true,
            iterations,
            ..orders::Run::open(0)
        }),
        Record::Filled(_) => Order::Fill(orders::Fill {
            warmup: 1,
            iterations,
            quick: false,
        }),
        Record::Gained(_) => Order::Gain(orders::Gain {
            iterations,
            most: 6,
            crowd: 1,
            data: 1,
        }),
        Record::Beside(_) => Order::Beside(orders::Beside {
            container: 0,
            reach: RULES.limits.reach.clone(),
        }),
        Record::Lowered(_) => Order::Lower(orders::Lower {
            container: 0,
            number: 0,
            value: 1,
            iterations,
            patience: 1.0,
        }),
        Record::Held(_) => Order::Hold(orders::Hold {
            lowered: Vec::new(),
            through: 0,
            seconds: 1.0,
            thaw: false,
            warmup: 1,
            iterations,
        }),
        Record::Traced(_) => Order::Trace(orders::Trace {
            iterations,
            frames: 4,
            last_only: false,
            settling: 0,
        }),
        Record::Followed(_) => Order::Follow(orders::Follow {
            always: Vec::new(),
            within: Vec::new(),
            without: Vec::new(),
            frames: 4,
        }),
        Record::Dumped(_) => Order::Dump(orders::Dump {
            iterations,
            file: String::new(),
            frames: 4,
        }),
        Record::Called(_) => Order::Calls(orders::Calls {
            iterations,
            readings: 10,
            counter: leakcheck::verdict::Counter::Heap,
            container: None,
        }),
        Record::Counted(_) => Order::Count(orders::Count {
            first: iterations,
            then: iterations,
        }),
        Record::Referred(_) => Order::References(orders::References {
            iterations,
            target: None,
            falls: false,
        }),
        Record::Unclosed(_) => Order::Unclosed(orders::Unclosed {
            iterations,
            frames: 10,
        }),
        Record::Grown(_) => Order::Grown(orders::Grown { iterations }),
        Record::Named(named) => Order::Name(orders::Name {
            paths: vec![vec![1, 2, 3]; named.paths.len()],
        }),
        Record::Described(described) => Order::Describe(orders::Describe {
            places: vec![("a.py".to_owned(), 1); described.answers.len()],
        }),
        Record::Freed(_) => Order::Free(orders::Free {}),
        _ => Order::End(orders::End { census: false }),
    };
    if let Record::Collected(collected) = &record {
        let terms = leakcheck::config::terms::Terms::default();
        let project = PathBuf::from("/p");
        let _ = marks::terms(&collected.tests, &collected.marks, &terms, &[], &project);
        let _ = leakcheck::run::plan::units(&collected.tests);
        let _ = leakcheck::run::shard::divide(&collected.tests, 3, &BTreeMap::new());
        return;
    }
    if answers::check(&order, &record).is_err() {
        return;
    }
    let places = places();
    match record {
        Record::Ran(ran) => look_at(ran.series),
        Record::Filled(filling) => {
            let (_, what): (Vec<u64>, Vec<Filled>) = filling.filled.into_iter().unzip();
            let _ = filled(&what);
        }
        Record::Gained(gained) => search(vec![Told::Gained(gained)]),
        Record::Beside(numbers) => search(vec![Told::Gained(gained()), Told::Beside(numbers)]),
        Record::Lowered(lowered) => search(vec![
            Told::Gained(gained()),
            Told::Beside(numbers()),
            Told::Lowered(lowered),
        ]),
        Record::Held(held) => look_at(held.window.series),
        Record::Traced(traced) => {
            let grown = sites::growing(&traced.boundaries, &traced.tracebacks, 4, &places);
            let _ = lines::stays(&grown);
        }
        Record::Followed(followed) => {
            let _ = lines::highest(&followed.functions);
            let _ = lines::choose(followed.functions, &lines::Stays::new(), "a.py::test");
            let _ = sites::growing(&followed.boundaries, &followed.tracebacks, 4, &places);
        }
        Record::Called(called) => {
            for passage in native::passages(&called.nodes, &called.totals, 16) {
                let _ = passage.shown(&places);
            }
        }
        Record::Referred(referred) => {
            let sought = lost::Sought {
                born: Default::default(),
                types: Default::default(),
                stays: lost::Stays {
                    blocks: 1.0,
                    bytes: 100.0,
                },
            };
            let _ = lost::suspect(&referred.calls, &sought, &Homeless);
        }
        _ => {}
    }
}

/// Goes on with the search for a limit from such answers.
fn search(told: Vec<Told>) {
    let filling = Filling {
        passed: true,
        filled: Vec::new(),
        cpu: 0.1,
    };
    let told: Vec<Told> = [Told::Filled(filling)].into_iter().chain(told).collect();
    let _ = limit::search(&told, 4, false, &RULES.limits);
}

fn gained() -> Gained {
    Gained {
        containers: vec![(1, "list".to_owned(), 2)],
        cpu: 0.1,
        now: Levels {
            lengths: vec![9],
            ..Levels::default()
        },
    }
}

fn numbers() -> Numbers {
    Numbers {
        numbers: vec![("a.C.limit".to_owned(), 0, 700)],
        walks: 3,
        passed: true,
        seconds: 0.1,
        cpu: 0.1,
        now: Levels {
            lengths: vec![10],
            values: vec![Some(700)],
            resident: 1,
        },
    }
}

/// Nothing is known of any function.
struct Homeless;

impl lost::Home for Homeless {
    fn innocent(&self, _: &native::Function) -> bool {
        false
    }

    fn package(&self, _: &native::Function) -> Option<String> {
        None
    }
}

fn look_at(mut series: Series) {
    let more = series.clone();
    readings::extend(&mut series, &more);
    let _ = signature(&series);
    for readings in series.values_mut() {
        for exactness in [Exactness::Exact, Exactness::Estimate] {
            let fit = fit::fit(readings, exactness);
            assert!(fit.rate.value.is_finite());
        }
        let _ = fit::first_look(readings);
        let _ = fit::patient_look(readings);
        let _ = fit::until_settled(readings);
        readings::mend_opening(readings);
        readings::fill_in(readings, 4);
    }
}

/// A snapshot: what can be read can be written, says the same then, and has a name in its folder.
pub fn snapshot(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let entry = match Entry::parse(text) {
        Ok(entry) => entry,
        Err(damage) => {
            let line = damage.to_string();
            assert!(!line.contains(['\n', '\u{1b}']), "{line:?}");
            return;
        }
    };
    let again = match &entry {
        Entry::One(one) => {
            for name in [files::name_of(one), files::long_name_of(one)] {
                assert!(!name.contains('/') && name.len() < 250, "{name}");
            }
            let _ = (one.title(), one.body());
            one.to_text()
        }
        Entry::Whole(whole) => {
            let name = files::package_name(&whole.accepts.name, &whole.accepts.version);
            assert!(!name.contains('/') && name.len() < 250, "{name}");
            entry.to_text()
        }
    };
    assert_eq!(Entry::parse(&again).as_ref(), Ok(&entry), "{again}");
}

/// A file of settings, of our own or one that we share; its first byte says which.
pub fn config(data: &[u8]) {
    thread_local! {
        static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
    }
    let Some((which, text)) = data.split_first() else {
        return;
    };
    let name = ["leakcheck.toml", "pyproject.toml", "Cargo.toml"][usize::from(*which) % 3];
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            // Nothing above it is looked at.
            fs::create_dir(folder.path().join(".git")).expect("a folder");
            folder
        });
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        let loaded = Config::load(folder.path());
        fs::remove_file(&path).expect("it is there");
        if let Err(error) = loaded {
            let line = error.to_string();
            assert!(!line.contains(['\n', '\u{1b}']), "{line:?}");
        }
    });
}

/// A report: rendered in every format, read again from what is written, and joined as that of a shard.
pub fn report(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(found) = report::read::report(text) else {
        return;
    };
    for format in [
        Format::Plain,
        Format::Github,
        Format::Gitlab,
        Format::Sarif,
        Format::Junit,
        Format::Markdown,
        Format::Html,
    ] {
        let style = Style {
            width: 80,
            detail: Detail::Verbose,
        };
        report::write(&found, format, style, &mut io::sink()).expect("it goes nowhere");
    }
    let mut written = Vec::new();
    report::json::write(&found, &mut written).expect("it is memory");
    let written = String::from_utf8(written).expect("JSON is text");
    let again = report::read::report(&written).expect("what is written can be read");
    assert_eq!(format!("{again:?}"), format!("{found:?}"));
    if let Ok(joined) = Joined::of(vec![("a".to_owned(), found)]) {
        let build = joined.build.clone();
        let baseline = Baseline {
            accepted: &[],
            whole: true,
            build: &build,
            today: date(2027, 1, 1),
            deny_stale: true,
        };
        let _ = joined.against(None, &baseline);
    }
}

/// A heap: what the bridge says of it in a line of JSON, then the file.
pub fn heap(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let Ok(dump) = serde_json::from_slice::<Dump>(&data[..end]) else {
        return;
    };
    let Ok(mut graph) = Graph::read(&data[end + 1..], &dump) else {
        return;
    };
    let places = places();
    let some: Vec<u64> = graph.ids.iter().copied().take(2).collect();
    ended::disregard(&mut graph, &dump, &some, &places);
    let _ = holder::decide(&graph, &dump, &places);
    let terrain = Terrain::new(&graph, &dump, &places);
    let ways = Ways::search(&graph, &terrain, &[]);
    let _ = Dominators::of(&graph);
    let _ = types::growth(&graph, &dump, None);
    let kept = cycle::garbage(&graph);
    for node in 0..u32::try_from(kept.len()).unwrap_or(0) {
        let _ = (ways.to(node), graph.gained(node), graph.type_of(node));
    }
}

/// The memory of another process: addresses and what stands there, eight bytes each; elsewhere are zeros.
struct Words(BTreeMap<u64, [u8; 8]>);

impl Memory for Words {
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        into.fill(0);
        // All addresses and lengths that are asked for are multiples of eight.
        for (address, word) in self.0.range(at..at + into.len() as u64) {
            let start = usize::try_from(address - at).expect("it is below the length");
            into[start..start + 8].copy_from_slice(word);
        }
        Ok(into.len())
    }
}

/// A Python's runtime, interpreter, lists, objects and types. The first address is that of the runtime.
pub fn memory(data: &[u8]) {
    let eight = |bytes: &[u8]| <[u8; 8]>::try_from(bytes).expect("there are eight");
    let mut words = BTreeMap::new();
    let mut runtime = None;
    for record in data.chunks_exact(16) {
        // No process has an odd one.
        let at = u64::from_le_bytes(eight(&record[..8])) & !7;
        runtime.get_or_insert(at);
        words.insert(at, eight(&record[8..]));
    }
    let Some(runtime) = runtime.filter(|at| *at < 1 << 56) else {
        return;
    };
    if let Ok(heap) = Heap::read(Words(words), runtime) {
        let _ = heap.check();
        if let Ok(counts) = heap.try_count() {
            assert!(counts.types.keys().all(|name| name.len() < 500));
        }
    }
}
