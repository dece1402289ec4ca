//! The rules by which verdicts are made: the one table of their names, what each says, an example, and what to do.
//!
//! What is done with a clean test depends on [`Rule::shows_nothing`]: whether it is kept, looked at longer, told to others.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Verdict;

/// What the table has of a rule.
#[derive(Debug)]
struct Entry {
    name: &'static str,
    /// The only verdict that it makes; none where it takes over that of another test.
    verdict: Option<Verdict>,
    says: &'static str,
    example: &'static str,
    action: &'static str,
}

macro_rules! rules {
    ($($rule:ident {
        name: $name:literal,
        verdict: $verdict:expr,
        says: $says:literal,
        example: $example:literal,
        action: $action:literal,
    })*) => {
        /// Why a test has its verdict.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = $says] $rule,)*
        }

        impl Rule {
            /// Every rule, in the order of the table.
            pub const ALL: &'static [Rule] = &[$(Rule::$rule,)*];

            fn entry(self) -> Entry {
                match self {
                    $(Rule::$rule => Entry {
                        name: $name,
                        verdict: $verdict,
                        says: $says,
                        example: $example,
                        action: $action,
                    },)*
                }
            }
        }
    };
}

rules! {
    NothingGrew {
        name: "nothing-grew",
        verdict: Some(Verdict::Clean),
        says: "No counter rose again and again over the judged iterations.",
        example: "blocks 410, 415, 415, 415, 415: the first iteration leaves something once, the others nothing.",
        action: "Nothing.",
    }
    RisesAndFalls {
        name: "rises-and-falls",
        verdict: Some(Verdict::Clean),
        says: "What rose in the first process is no more than what rises and falls in the second one, where nothing grows.",
        example: "blocks 80, 144, 342 in the first process; 12, 488, 30, 506, 208 in the second: the newest entry is of another size each time.",
        action: "Nothing.",
    }
    GrowsAfterLeak {
        name: "grows-after-leak",
        verdict: Some(Verdict::Clean),
        says: "It grew after other tests that leak, and does not grow in a process of its own.",
        example: "A test sends an event; a test before it left its observers behind, and each of them keeps the event.",
        action: "Fix the leak of the test that the reason names. This test is fine by itself.",
    }
    GrowsAfterTest {
        name: "grows-after-test",
        verdict: Some(Verdict::Clean),
        says: "It grew in one process only, and grows again where the tests that ran before it run first; by itself it does not.",
        example: "A test before it turns a debugging mode on, in which each query is kept, and leaves it on.",
        action: "Look at what the test that the reason names leaves switched on.",
    }
    GrewToTimeEnd {
        name: "grew-to-time-end",
        verdict: Some(Verdict::Leak),
        says: "It grew in two processes, and still did when the CPU time of the long run was spent.",
        example: "blocks +2 in each of 2,064 iterations, for two seconds.",
        action: "Fix what the finding names. If it is a cache with an end further away, `--thorough` looks ten times as long.",
    }
    GrewToSizeEnd {
        name: "grew-to-size-end",
        verdict: Some(Verdict::Leak),
        says: "It grew in two processes, and still did when it had left as much memory, or as many descriptors, threads or processes, as a long run may.",
        example: "Each iteration leaves 5 MB: after 8 iterations a longer run would leave more than 64 MB.",
        action: "Fix what the finding names.",
    }
    GrewToLastIteration {
        name: "grew-to-last-iteration",
        verdict: Some(Verdict::Leak),
        says: "It grew in two processes, and still did in the last iteration that a long run has.",
        example: "fds +1 in every third iteration, 16,384 times.",
        action: "Fix what the finding names.",
    }
    GrewUntilFailure {
        name: "grew-until-failure",
        verdict: Some(Verdict::Leak),
        says: "It grew by the same amount in each iteration, until the test failed in the long run: a limit of the system was used up.",
        example: "fds +8 in each iteration, and then `Too many open files`.",
        action: "Fix what the finding names.",
    }
    GrewLikeLeaksBudget {
        name: "grew-like-leaks-budget",
        verdict: Some(Verdict::Leak),
        says: "It grew in two processes, in a container or at a place that is known, like eight others at least that were all leaks; the time to watch each of them for long was spent.",
        example: "2,000 tests each fill a list of their own; eight of them were watched for 2,000 iterations.",
        action: "Fix what the finding names. Give suspects more time (`--budget 10m`) if you think that this one ends.",
    }
    CyclesDenied {
        name: "cycles-denied",
        verdict: Some(Verdict::Leak),
        says: "It leaves reference cycles to the collector, and the configuration says `cycles = \"deny\"`.",
        example: "A tree whose nodes know their parents is dropped with each iteration.",
        action: "Close the cycle where the finding says, allow it for some tests (`allow = { garbage = 20 }`), or set `cycles = \"warn\"`.",
    }
    ReferencesLost {
        name: "references-lost",
        verdict: Some(Verdict::Leak),
        says: "In two processes each iteration leaves more references to an object that was there before, and nothing that can be seen refers to it.",
        example: "refs +1 in each iteration, to the class `app.Record`; no object, list or dictionary has it more often than before.",
        action: "Look in the C code that the finding names for a reference that is taken and not given back (Py_DECREF).",
    }
    ReferencesReleased {
        name: "references-released",
        verdict: Some(Verdict::Leak),
        says: "In two processes each iteration leaves fewer references to an object than there were, and as many as before can be seen to refer to it.",
        example: "refs -1 in each iteration, to the instance `app.DEFAULT`; the module still has it.",
        action: "Fix it first: when the count reaches zero, the object is freed while it is in use. Look in the C code that the finding names for a reference that was only borrowed and is given back.",
    }
    UnclosedDenied {
        name: "unclosed-denied",
        verdict: Some(Verdict::Leak),
        says: "It lets go of something in each iteration that it did not close, and the configuration says `unclosed = \"deny\"`.",
        example: "unclosed +1 in each iteration: `open(path).read()`, which Python closes, with a ResourceWarning that its filters hide.",
        action: "Close it where it was opened (a `with` block), allow it for some tests (`allow = { unclosed = 1 }`), or set `unclosed = \"warn\"`.",
    }
    DeclaredLimit {
        name: "declared-limit",
        verdict: Some(Verdict::Bounded),
        says: "It fills something that states its own limit, and with that emptied after each iteration nothing grows.",
        example: "blocks +3 in each iteration; `app.parse` is a `functools.lru_cache` of 128, 57 of them used.",
        action: "Nothing. If the limit is larger than you want to pay for, make it smaller.",
    }
    DeclaredLimitEmptied {
        name: "declared-limit-emptied",
        verdict: Some(Verdict::Bounded),
        says: "It fills something that states its own limit and that was seen to fill before, so it was emptied after each iteration, and nothing grew.",
        example: "A hundred tests parse addresses; from the second one on, the cache of `urllib.parse.urlsplit` is emptied after each iteration.",
        action: "Nothing.",
    }
    LimitFound {
        name: "limit-found",
        verdict: Some(Verdict::Bounded),
        says: "It fills something with a limit: with what states one emptied, and the numbers that keep others small set to what these hold, nothing grows.",
        example: "`app.Cache.MAX_ENTRIES = 50_000`, set to the 640 entries that there are: after that the cache keeps to 640.",
        action: "Nothing. If the limit is larger than you want to pay for, make it smaller.",
    }
    StoppedInSecondProcess {
        name: "stopped-in-second-process",
        verdict: Some(Verdict::Bounded),
        says: "It grew in two processes, and came to rest in the second one before the long run.",
        example: "blocks 0, 3, 6, 9, 9, 9, 9, 9, 9 in the second process.",
        action: "Nothing.",
    }
    StoppedInLongRun {
        name: "stopped-in-long-run",
        verdict: Some(Verdict::Bounded),
        says: "It grew in two processes, and stopped growing in the long run.",
        example: "blocks +1 in each of 500 iterations, and then nothing in 300.",
        action: "Nothing. The reason says after how many iterations it stopped.",
    }
    SameRandomness {
        name: "same-randomness",
        verdict: Some(Verdict::Bounded),
        says: "The growth is retained by no Python object, and with the same random numbers again nothing grows: each new text or number is kept once.",
        example: "A library in Rust keeps each key of the JSON that it reads, and the test makes new keys at random.",
        action: "Nothing, as long as the texts that it meets in real life come from a small set.",
    }
    HeldByRunner {
        name: "held-by-runner",
        verdict: Some(Verdict::Harness),
        says: "All that grows is allocated by the test runner or one of its plugins.",
        example: "A plugin appends a line to its report with each run of a test.",
        action: "Nothing in your code. A newer version of the plugin may help.",
    }
    MadeOnce {
        name: "made-once",
        verdict: Some(Verdict::Harness),
        says: "The test changes something of its own that is made once and not anew for each repeat: a parameter, an argument of a mark, the default of an argument, or a variable of the function around it. Only repeating makes that grow.",
        example: "A test gets a graph by `parametrize` and adds an edge to it.",
        action: "Nothing leaks where the test runs once. To have the code under test judged, make the object in the test or in a fixture.",
    }
    OneProcessOnly {
        name: "one-process-only",
        verdict: Some(Verdict::Unstable),
        says: "It grew in one process and not in the other.",
        example: "blocks +2 in each of 34 iterations of the first process, and flat in 40 of the second.",
        action: "Run it again with `leakcheck inspect TEST`. Growth that depends on the order of tests, on time or on chance comes and goes.",
    }
    ProcessEndedOnce {
        name: "process-ended-once",
        verdict: Some(Verdict::Unstable),
        says: "Its process ended or hung while it ran, and did not in a fresh process.",
        example: "A timer that a test before it left kills the process in iteration 3.",
        action: "Look at what the tests before it leave running: the reason names the last ones.",
    }
    SkippedWhenRepeated {
        name: "skipped-when-repeated",
        verdict: Some(Verdict::Unrepeatable),
        says: "It passed first, and skipped itself when it was repeated.",
        example: "`pytest.skip(\"already installed\")` in the second iteration.",
        action: "Let the test undo what it does, or leave it out with `@pytest.mark.leakcheck(skip=…)` and the reason.",
    }
    FailedWhenRepeated {
        name: "failed-when-repeated",
        verdict: Some(Verdict::Unrepeatable),
        says: "It passed first, and failed when it was repeated in the same process.",
        example: "A test registers a name, and registering it twice is an error.",
        action: "Let the test undo what it does, or leave it out with `@pytest.mark.leakcheck(skip=…)` and the reason.",
    }
    PassedOnSecondTry {
        name: "passed-on-second-try",
        verdict: Some(Verdict::Unrepeatable),
        says: "It failed first and passed on a second try, in which no object was hidden from the collector.",
        example: "A test asks `gc.get_referrers` who knows its object.",
        action: "Nothing. If it can be told in another way what the test wants to know, it can be judged.",
    }
    FailedFirst {
        name: "failed-first",
        verdict: Some(Verdict::Failed),
        says: "It failed on its first run, before leakcheck repeated anything.",
        example: "`assert 1 == 2`",
        action: "Make it pass. What fails cannot be judged.",
    }
    SkippedByRunner {
        name: "skipped-by-runner",
        verdict: Some(Verdict::Skipped),
        says: "The test runner skipped it on its first run.",
        example: "`@pytest.mark.skipif(sys.platform != \"win32\", reason=\"Windows only\")`",
        action: "Nothing.",
    }
    SkippedByTerms {
        name: "skipped-by-terms",
        verdict: Some(Verdict::Skipped),
        says: "A mark or an override of leakcheck's says to leave it out.",
        example: "`@pytest.mark.leakcheck(skip=True, reason=\"talks to a printer\")`",
        action: "Nothing. Take the mark or the override away to have it judged.",
    }
    NotReached {
        name: "not-reached",
        verdict: Some(Verdict::Skipped),
        says: "Nothing that has changed since the commit of `--changed` reaches it, so it was not run.",
        example: "`leakcheck run --changed=main`, and the test imports no file that differs from `main`.",
        action: "Nothing. Without `--changed` it is run.",
    }
    ProcessEnded {
        name: "process-ended",
        verdict: Some(Verdict::Crashed),
        says: "Its process died while it ran.",
        example: "SIGSEGV in iteration 2: a reference was released too often.",
        action: "Run the test alone with `-X faulthandler`. The reason says in which iteration it died, and where.",
    }
    MemoryCap {
        name: "memory-cap",
        verdict: Some(Verdict::Crashed),
        says: "Its process grew beyond the memory that a worker may have, and was ended.",
        example: "One iteration keeps 4 GB, and `--memory` is 2 GB.",
        action: "Give a worker more (`--memory 8GB`), or let the test use less.",
    }
    RunnerDamaged {
        name: "runner-damaged",
        verdict: Some(Verdict::Crashed),
        says: "It left the test runner in no state to go on, or raised what ends a test runner.",
        example: "A test calls `pytest.exit`, or closes the loop that others still need.",
        action: "Look at what the reason quotes.",
    }
    InterruptedFromOutside {
        name: "interrupted-from-outside",
        verdict: Some(Verdict::Crashed),
        says: "A `KeyboardInterrupt` came in a repeat, after it had passed without one.",
        example: "A thread that a test before it left calls `_thread.interrupt_main()`.",
        action: "Look for who sends it: a thread, a timer or a signal.",
    }
    ProcessHung {
        name: "process-hung",
        verdict: Some(Verdict::TimedOut),
        says: "An iteration ran longer than its time-out.",
        example: "Iteration 2 waits for a lock that iteration 1 did not release.",
        action: "The reason has the stack where it hung. If it is only slow, give it more time (`--timeout`, or `timeout=` in a mark).",
    }
    OtherThreads {
        name: "other-threads",
        verdict: Some(Verdict::Undecided),
        says: "Counters change while no test runs, and could hide a leak.",
        example: "blocks 9, 10, 11, 3, 4, 5 with no test between the readings: a thread of a client polls its server.",
        action: "Stop the thread in the teardown of the fixture that starts it.",
    }
    Subinterpreters {
        name: "subinterpreters",
        verdict: Some(Verdict::Undecided),
        says: "It runs beside subinterpreters, where memory cannot be traced and CPython itself loses some with each of them.",
        example: "A test runs a function in a new interpreter.",
        action: "Close the interpreters that a test makes. What each costs CPython cannot be told from a leak.",
    }
    PassesOnlyAfterOthers {
        name: "passes-only-after-others",
        verdict: Some(Verdict::Undecided),
        says: "It passed in the suite, and not as one of a few tests in the second process.",
        example: "A test needs a table that the test before it makes.",
        action: "Let the test make what it needs, in a fixture.",
    }
    FailedInLongerLook {
        name: "failed-in-longer-look",
        verdict: Some(Verdict::Undecided),
        says: "It grew, and failed in a later iteration before it was clear whether that ends.",
        example: "Iteration 300 finds all ports of a range taken.",
        action: "Look at what the reason quotes: it may be the leak itself.",
    }
    FallsAndGrowsAgain {
        name: "falls-and-grows-again",
        verdict: Some(Verdict::Undecided),
        says: "It grows, falls back and grows again, and did not come to rest in the long run.",
        example: "blocks 0, 40, 80, 120, 20, 60, 100, 140, 40 …",
        action: "`--thorough` looks ten times as long.",
    }
    GrowsEverSlower {
        name: "grows-ever-slower",
        verdict: Some(Verdict::Undecided),
        says: "It grows more and more slowly, and did not come to rest in the long run.",
        example: "blocks 0, 30, 45, 53, 57, 59, 60 … and one more now and then.",
        action: "`--thorough` looks ten times as long.",
    }
    UnlikeTestBudget {
        name: "unlike-test-budget",
        verdict: Some(Verdict::Undecided),
        says: "It grew like a test that keeps each new text or number once, does not do so itself, and the time to judge it by itself was spent.",
        example: "Forty tests of one parser grow more and more slowly; with the same random numbers again one of them grows on.",
        action: "Give suspects more time (`--budget 10m`), or look at it alone: `leakcheck inspect TEST`.",
    }
    BudgetCutLongRun {
        name: "budget-cut-long-run",
        verdict: Some(Verdict::Undecided),
        says: "It still grew when its long run was cut short, because the time for all suspects was nearly spent.",
        example: "blocks +1 in each of 540 iterations; with enough time there would have been 2,048 at least.",
        action: "Give suspects more time (`--budget 10m`).",
    }
    BudgetEnded {
        name: "budget-ended",
        verdict: Some(Verdict::Undecided),
        says: "It grew in the first process, and the time for all suspects was spent before its turn.",
        example: "300 suspects share 60 s of CPU time, and 40 of them were not reached.",
        action: "Give suspects more time (`--budget 10m`), or fix the leaks that were found first: they take most of it.",
    }
    NoTimeToLookLonger {
        name: "no-time-to-look-longer",
        verdict: Some(Verdict::Undecided),
        says: "Something rose in the first look, and the time for the whole run was spent before a longer one.",
        example: "blocks 410, 410, 410, 418 in a suite of which five plain runs were spent.",
        action: "Give the run more time (`--budget 10m`).",
    }
    NotCollectedAgain {
        name: "not-collected-again",
        verdict: Some(Verdict::Undecided),
        says: "Another process did not collect it.",
        example: "Its id holds an address or the time: `test_a[<object at 0x7f…>]`.",
        action: "Give its parameters ids that are the same each time.",
    }
    NoProcess {
        name: "no-process",
        verdict: Some(Verdict::Undecided),
        says: "No process could be started to run it in.",
        example: "A test file that was imported before cannot be imported any more.",
        action: "The reason says what happened when it was started.",
    }
    StrangeAnswer {
        name: "strange-answer",
        verdict: Some(Verdict::Undecided),
        says: "What came from its process is no answer to what was asked.",
        example: "A test writes to every open descriptor, leakcheck's own connection among them.",
        action: "Look for what in the test writes to descriptors that it did not open.",
    }
    NotReadable {
        name: "not-readable",
        verdict: Some(Verdict::Undecided),
        says: "The project's own code ran in the midst of the measurement and raised.",
        example: "A test leaves a profile function behind that raises.",
        action: "The reason names the error, and the place where it is known.",
    }
    OwnFault {
        name: "own-fault",
        verdict: Some(Verdict::Undecided),
        says: "leakcheck itself failed while it looked at this test.",
        example: "An exception in leakcheck's bridge: the run ends with exit code 70.",
        action: "Please report it, with the error that the report has.",
    }
    OffTheRecord {
        name: "off-the-record",
        verdict: Some(Verdict::Undecided),
        says: "A replay asked for something that the recording does not have.",
        example: "A newer leakcheck repeats a test 20 times where the recording has 18 iterations.",
        action: "Nothing. It is counted apart by `leakcheck replay`.",
    }
    RunInterrupted {
        name: "run-interrupted",
        verdict: Some(Verdict::Undecided),
        says: "The run was interrupted before the test was judged.",
        example: "Ctrl-C after 40 of 200 tests.",
        action: "Run it again.",
    }
    ShardMissing {
        name: "shard-missing",
        verdict: Some(Verdict::Undecided),
        says: "The report of the shard that ran it is missing.",
        example: "`leakcheck merge` got the reports of seven shards of eight.",
        action: "Add the report of the shard that the reason names.",
    }
    LikeTest {
        name: "like-test",
        verdict: None,
        says: "It grows like other tests of which some were judged and agree, and has their verdict.",
        example: "A fixture that leaks makes 300 tests grow by the same 2 blocks; three of them were judged.",
        action: "Look at the test that the reason names: what is said of that one holds for this one.",
    }
    LikeTestBudget {
        name: "like-test-budget",
        verdict: None,
        says: "It grows like other tests that fill something with an end, and the time to judge it by itself was spent.",
        example: "40 tests fill one cache; three were judged, and half of the time for suspects was gone.",
        action: "Give suspects more time (`--budget 10m`) to have it judged by itself.",
    }
    KnownCause {
        name: "known-cause",
        verdict: None,
        says: "What grows in it, in the same places and containers, was looked at in a long run of other tests, and their verdict holds for it.",
        example: "Two tests append to `app.ROWS` at the same line; one long run for both is enough.",
        action: "Look at the finding: it names the tests that share the cause.",
    }
    KnownCauseBudget {
        name: "known-cause-budget",
        verdict: None,
        says: "What grows in it, in the same places and containers, was judged in other tests, and the time for more than that was spent.",
        example: "Half of the time for suspects is gone; all that grows in this one is known from three others.",
        action: "Give suspects more time (`--budget 10m`) to have it judged by itself.",
    }
}

impl Rule {
    /// The name in reports and on the command line.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// The verdict that it makes; none where it takes over that of another test.
    pub fn verdict(self) -> Option<Verdict> {
        self.entry().verdict
    }

    /// Whether a test that it decides shows nothing at all: its verdict is kept, it may be looked at longer, others are told
    /// that it does not grow. Of other clean tests there is something to say, and they are asked in each run.
    pub fn shows_nothing(self) -> bool {
        self == Rule::NothingGrew
    }

    /// One plain sentence.
    pub fn says(self) -> &'static str {
        self.entry().says
    }

    /// A series or a situation in which it holds.
    pub fn example(self) -> &'static str {
        self.entry().example
    }

    /// What to do about a test that it decided.
    pub fn action(self) -> &'static str {
        self.entry().action
    }

    /// The rule of that name; letters may be large.
    pub fn of_name(name: &str) -> Option<Rule> {
        let mut all = Rule::ALL.iter().copied();
        all.find(|rule| rule.name().eq_ignore_ascii_case(name))
    }

    /// All about it, in a few lines.
    pub fn section(self) -> String {
        let verdict = match self.verdict() {
            Some(verdict) => format!("`{}`", verdict.word()),
            None => "that of another test".to_owned(),
        };
        format!(
            "{}\n\n**Verdict.** {verdict}\n\n**Example.** {}\n\n**What to do.** {}\n",
            self.says(),
            self.example(),
            self.action()
        )
    }

    /// The page about all of them, which is `docs/rules.md`.
    pub fn page() -> String {
        let mut page = "# Rules\n\nEach test has its verdict by one rule. The JSON report names it (`rule` of each test and finding), so does `-v`, and\n\
             `leakcheck explain RULE` prints the part of this page about it. What each verdict means is in [verdicts.md](verdicts.md).\n\n\
             This page is made from the table in `src/verdict/rule.rs`: `UPDATE=1 cargo test --test documentation` writes it.\n\n\
             | rule | verdict | says |\n|---|---|---|\n"
            .to_owned();
        for rule in Rule::ALL {
            let name = rule.name();
            let verdict = rule.verdict().map_or("taken over", Verdict::word);
            page.push_str(&format!(
                "| [`{name}`](#{name}) | {verdict} | {} |\n",
                rule.says()
            ));
        }
        for rule in Rule::ALL {
            page.push_str(&format!("\n## {}\n\n{}", rule.name(), rule.section()));
        }
        page
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Reads the rule of a report; none where it has none, or one of a later version.
pub fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rule>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    Ok(name.and_then(|name| Rule::of_name(&name)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn of_each_clean_rule_it_is_said_whether_it_shows_nothing() {
        let clean = Rule::ALL
            .iter()
            .filter(|it| it.verdict() == Some(Verdict::Clean));
        let (nothing, something): (Vec<Rule>, Vec<Rule>) = clean.partition(|it| it.shows_nothing());
        assert_eq!(nothing, [Rule::NothingGrew]);
        assert_eq!(
            something,
            [
                Rule::RisesAndFalls,
                Rule::GrowsAfterLeak,
                Rule::GrowsAfterTest
            ],
            "a new clean rule: say in `shows_nothing` which of the two it is, and here"
        );
    }

    #[test]
    fn each_rule_has_a_name_of_its_own_and_says_something_of_its_own() {
        let kebab = |name: &str| {
            let mut words = name.split('-');
            words.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        };
        let (mut names, mut texts) = (BTreeSet::new(), BTreeSet::new());
        for rule in Rule::ALL {
            assert!(kebab(rule.name()), "{}", rule.name());
            assert!(names.insert(rule.name()), "{} twice", rule.name());
            assert!(texts.insert(rule.says()), "{} says the same", rule.name());
            assert!(rule.says().ends_with('.'), "{}", rule.name());
            assert!(!rule.example().is_empty() && !rule.action().is_empty());
            assert_eq!(Rule::of_name(&rule.name().to_uppercase()), Some(*rule));
        }
        assert_eq!(Rule::of_name("nothing"), None);
    }

    #[test]
    fn every_verdict_is_made_by_some_rule() {
        for verdict in Verdict::ALL {
            let made = Rule::ALL.iter().any(|rule| rule.verdict() == Some(verdict));
            assert!(made, "{}", verdict.word());
        }
    }

    #[test]
    fn a_rule_of_a_later_version_is_none() {
        let read = |json: &str| known(&mut serde_json::Deserializer::from_str(json)).unwrap();
        assert_eq!(read("\"budget-ended\""), Some(Rule::BudgetEnded));
        assert_eq!(read("\"made-later\""), None);
        assert_eq!(read("null"), None);
    }
}
