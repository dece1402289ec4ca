//! The numbers that can change a verdict, each with its unit and its reason.

use std::{
    borrow::Cow,
    sync::{LazyLock, OnceLock},
};

use serde::{Deserialize, Serialize};

use crate::fit::numbers::{self, Numbers};

/// The numbers by which tests are judged: one set, [`RULES`]. Tests, and `leakcheck replay --number`, may try others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rules {
    /// Iterations of the first window in the fresh process.
    pub first_window: u32,
    /// Most iterations of any experiment, and of a long run; whatever fills up within it is recognised as bounded.
    pub longest: u32,
    /// Bytes of an average pymalloc block, for estimates of size only.
    pub block: f64,
    /// Blocks by which the places may fall short of what grows and still account for all of it.
    pub unexplained: f64,
    /// The pause between two rises fits so often into a long run's first stretch, and the window that finds an end to read.
    pub pauses: u32,
    /// Most readings of one answer; more take several orders.
    pub answer: u32,
    /// malloc's smallest chunk on 64-bit systems, in bytes. A rise of less is what a reused chunk is larger than the request.
    pub chunk: i64,
    /// The screen.
    pub screen: Screen,
    /// What moves in a process by itself.
    pub noise: Noise,
    /// The time that there is for suspects.
    pub budget: Budget,
    /// So many suspects that grow alike were looked at for long, and all were leaks, before the next is taken for one.
    pub solid: usize,
    /// The windows with which it begins.
    pub windows: Windows,
    /// Watched containers.
    pub containers: Containers,
    /// Traced windows.
    pub tracing: Tracing,
    /// Native memory beside what Python keeps.
    pub beside: Beside,
    /// The long run.
    pub long_run: LongRun,
    /// What is asked once more of leaks, when all suspects are judged.
    pub isolation: Isolation,
    /// What came before a test that grew in one process only.
    pub predecessors: Predecessors,
    /// The same random numbers again.
    pub randomness: Randomness,
    /// References to what was there before.
    pub references: References,
    /// Tests in which something rose once.
    pub rare: Rare,
    /// Tests whose verdicts are kept.
    pub deeper: Deeper,
    /// What nobody closes.
    pub unclosed: Unclosed,
    /// The limits of what a test fills.
    pub limits: Limits,
    /// Series of readings.
    pub fit: Numbers,
}

/// The numbers of the search for what limits the containers that a test fills.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limits {
    /// Iterations in which comes what is put in once, before those that tell what fills, and before a window,
    pub warmup: u32,
    /// and in which what fills gains entries.
    pub gaining: u32,
    /// Containers that grew, of which there is time for a few: the largest growth first.
    pub grown: usize,
    /// In a heap of so many objects and entries each walk takes too long.
    pub crowd: u32,
    /// What holds more objects is data, in which nobody has dictionaries of settings.
    pub data: u32,
    /// How far numbers are looked for.
    pub reach: Reach,
    /// Iterations with a number lowered: the first one may still take the place of what is about to be dropped,
    pub trial: u32,
    /// and those in which what was full before is trimmed, or never.
    pub shorter: u32,
    /// A cache may hold nearly so many times its limit until it is trimmed.
    pub overshoot: i64,
    /// One that is emptied when it is full, or put aside for another, is held to so many times what it gained: what two
    /// iterations add, twice, so that it holds something.
    pub low: i64,
    /// A limit of more entries is none for a test suite; it may be one of bytes.
    pub entries: i64,
    /// Numbers that are tried at most,
    pub most_tried: usize,
    /// and in any case, since one test may take as long as all of them may:
    pub least_tried: usize,
    /// so many CPU seconds.
    pub cpu: f64,
    /// Nor is anything tried once the process has so many bytes more than before.
    pub memory: u64,
    /// A lowered limit may make a test wait. It is let go after so many seconds,
    pub patience: f64,
    /// or so many times what an iteration takes otherwise.
    pub patience_factor: f64,
    /// Iterations after which a cache is taken to hold nothing of other tests any more,
    pub through: u32,
    /// and CPU seconds that these may take.
    pub through_cpu: f64,
}

/// How far numbers are looked for that may be a limit: what the bridge looks through, and no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// A limit's name has one of these words in it.
    pub names: Cow<'static, str>,
    /// A larger number is none, not even of bytes.
    pub highest: i64,
    /// Literals in code have no name. Below the first of these a cache is full soon enough, and above the second it never is.
    pub literals: (i64, i64),
    /// A dictionary with more entries is not one of settings.
    pub settings: u32,
    /// How far up from a container: its owner, what has that, and one more.
    pub levels: u32,
    /// Objects that refer to one and are gone up from: more have what everybody has.
    pub above: u32,
    /// Objects whose referrers are asked for, in the search for the limits of one test; a walk over the heap each.
    pub walks: u32,
}

/// The numbers of tests in which something rose once, and which are looked at for longer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rare {
    /// So many windows, in each of which something has to rise by about as much,
    pub windows: u32,
    /// and iterations of each: what is lost in every 15th shows in all.
    pub iterations: u32,
    /// They take this share of the CPU time of a plain run, all together,
    pub share: f64,
    /// and so many seconds besides.
    pub least: f64,
}

/// The numbers of longer looks at tests whose verdicts are kept, in the time that this saves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deeper {
    /// The share is of a plain run's CPU time and of so many seconds besides, or small suites would never get deep.
    pub besides: f64,
    /// Iterations of a window at least: as many as a test has run in all runs until now, where these are more,
    pub least: u32,
    /// and at most so many.
    pub most: u32,
    /// One test gets at most this part of the time, or it has fewer iterations;
    pub part: f64,
    /// with fewer than these nothing would be seen that the screen does not see.
    pub few: u32,
    /// CPU seconds that an iteration takes beside the test itself, about.
    pub around: f64,
}

/// The numbers of a look for what nobody closes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unclosed {
    /// Iterations in each of which it has to be left open,
    pub iterations: u32,
    /// traced so many frames deep.
    pub frames: u32,
    /// Looks take this share of the CPU time of a plain run,
    pub share: f64,
    /// and so many seconds besides.
    pub least: f64,
}

/// The numbers of a count of references.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct References {
    /// Iterations that show whether references change in a second process too,
    pub again: u32,
    /// those that tell what changes,
    pub first: u32,
    /// and those that tell how.
    pub then: u32,
    /// What is lost in every so many-th iteration is told, the second,
    pub often: i64,
    /// and what is lost more rarely where as many iterations in a row always lose some.
    pub rarest: i64,
    /// So many iterations in a row without a change end it.
    pub rest: u32,
    /// Blocks that an object and what hangs on it may take: where more stay, there is something that is in no list of objects.
    pub blocks: i64,
    /// Looks take this share of the CPU time of a plain run,
    pub share: f64,
    /// and so many seconds besides.
    pub least: f64,
    /// Objects of a test of which the call is looked for.
    pub most: usize,
    /// Iterations in which calls are watched.
    pub watched: u32,
}

/// The numbers of what moves in a process by itself: threads that go on between tests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Noise {
    /// Readings with no test between them,
    pub readings: u32,
    /// and seconds from one to the next: as long as an iteration, at least so many
    pub shortest: f64,
    /// and at most so many.
    pub longest: f64,
    /// So many of the increments show what moves by itself; one is a thread that ends.
    pub moves: usize,
    /// After so many processes that were noisy from their start no more are made for it.
    pub attempts: u32,
}

/// The numbers of the time that there is, in CPU seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Budget {
    /// The whole run takes so many times what a plain run takes, or `least`: looking at each test takes four of these.
    pub whole: u32,
    /// One such part of it is for suspects and for what is looked at when these are judged,
    pub last: u32,
    /// who get so many seconds in any case.
    pub least_last: u64,
    /// Where no more is left, a test of which an iteration takes less than one such part of the whole is looked at longer
    /// nevertheless,
    pub small: f64,
    /// as long as all of these take less than one such part of it.
    pub reserve: f64,
    /// The least that there is for a whole run, and the least that suspects may take at most: caches with ends of their own
    /// are worth a minute.
    pub least: u64,
    /// So much of the suspects' time, or a plain run, goes to those that are likely to be what is known: one leak in many
    /// tests is not.
    pub least_plenty: u64,
    /// The most that a long run gets,
    pub long_run: u64,
    /// and with `--thorough`.
    pub thorough_long_run: u64,
    /// A long run gets at most one such part of what is left, so that later suspects get theirs.
    pub share: u32,
}

/// The numbers of leaks that are judged again alone, each in a process that nothing else ran in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Isolation {
    /// Leaks: a start of a process each; suites with more have been red for long.
    pub most: usize,
    /// Other leaks that are tried as the reason of one that does not grow alone.
    pub culprits: usize,
    /// How often a culprit runs before its victim is looked at again.
    pub dose: u32,
    /// A leak that falls back now and then is looked at for so many of its climbs: in four there are three falls, and two
    /// distances between them.
    pub climbs: u32,
    /// One that rises now and then is looked at for so many of the pauses between: what comes in every 15th iteration is
    /// known for growth by the sixth.
    pub pauses: u32,
    /// What grows by itself is watched for as many iterations as cost so many CPU seconds,
    pub seconds: f64,
    /// and so many at most: what is emptied at fifty falls four times.
    pub longest: u32,
    /// Where by itself a counter grows by this share more or less than after others, it is judged once more.
    pub apart: f64,
}

/// The numbers of tests that are run again, since one after them grew in one process only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Predecessors {
    /// Tests that are explained so; each takes a dozen starts of a process.
    pub most: usize,
    /// Tests that leak, the last ones before it, that are tried first.
    pub leaks: usize,
    /// Tests that are run again, the last ones before it,
    pub before: usize,
    /// as far as one run of them takes so many seconds.
    pub longest: f64,
    /// They get one such part of the suspects' budget, on top of it.
    pub share: u32,
}

/// The numbers of iterations with the same random numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Randomness {
    /// Iterations with the same ones, at least: what leaks in every 11th does so in each such stretch.
    pub each: u32,
    /// How often, each time with others. To a cache that is half full not all of them are new.
    pub times: u32,
    /// What is new stays in so many iterations after the numbers changed.
    pub new: usize,
}

/// The numbers of the screen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Screen {
    /// Readings with which a test is looked at until it is decided; the first of them is taken before the warm-up. Most are
    /// clean after the first look: a leak in every 4th iteration shows in any four increments.
    pub looks: [u32; 4],
    /// The same with `--thorough`: any eleven iterations in a row hold what comes every 11th.
    pub patient: [u32; 2],
    /// Readings of a test that is expected to grow as those before it: two increments, the first of them the warm-up's.
    pub expected: u32,
    /// So many tests that grow alike make further looks at their like unnecessary: a leaking autouse fixture makes every
    /// test a suspect, and their judgement comes from tracing a few of them anyway.
    pub familiar: usize,
    /// After so many, the next test is expected to grow so as well if the one before it did.
    pub usual: usize,
    /// A test knows of those before it in its file, and of the first so many below each folder above that: twice as many as
    /// make growth usual, since not all of them need to use what leaks.
    pub pilots: usize,
    /// Seconds of a test that is left to the suspects' budget, where an end is asked for as well.
    pub longest: f64,
    /// Fewest increments that tell whether anything grows beside what has an end,
    pub fewest: u32,
    /// and with `--thorough`.
    pub fewest_patient: u32,
}

/// When native memory grows beside what Python keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Beside {
    /// Bytes an iteration from which it is told: the least that malloc gives out.
    pub least: f64,
    /// Share of the iterations, the tenth at either end, that may show something else: a container moves now and then.
    pub unsteady: f64,
    /// The fewest iterations from which it can be told.
    pub readings: usize,
    /// Bytes that malloc takes, at most, for a traced block which pymalloc could have had and has not.
    pub block: f64,
}

/// The numbers of the windows with which a suspect begins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Windows {
    /// Windows that may follow the first before growth is said to be in the first process only.
    pub more: usize,
    /// The fewest iterations from which a rate can be read.
    pub fewest: u32,
    /// Bytes that it may keep: beyond, growth is plain from four boundaries, and the machine is better left alone.
    pub bytes: f64,
    /// Bytes that are mapped of which one counts as kept: most are never touched, or are of a file that all processes share.
    pub untouched: f64,
}

/// When a watched container gains entries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Containers {
    /// More entries than this came more than once,
    pub once: f64,
    /// and so many an iteration are growth, however few these were.
    pub rarely: f64,
}

/// The numbers of traced windows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tracing {
    /// Iterations.
    pub iterations: u32,
    /// The same of those that only say where, the rates being known.
    pub deeper: u32,
    /// Frames kept at first, and each time those did not reach the reader's code. Each of them costs time on every
    /// allocation: an iteration takes about 4 times as long with one, 15 times with ten, 30 times with twenty-five.
    pub depths: [u32; 3],
    /// What grows by a pattern has so many of them traced,
    pub periods: u32,
    /// and of what has none it is as if it were one of so many iterations.
    pub noisy: u32,
    /// Where a first look cost less than this many CPU seconds, the callers are worth a second.
    pub cheap: f64,
    /// Blocks that it may keep: beyond, growth is plain from one reading, and the machine is better left alone.
    pub blocks: f64,
    /// The places account for what grows where they have this part of it, half.
    pub most: f64,
    /// Where they have more than all that grows, some of them put something in the place of what was there before tracing
    /// began, as a pool does: they stop once all of that is replaced. So many iterations are waited for that,
    pub settling: u32,
    /// as far as they take so many CPU seconds.
    pub settling_cpu: f64,
}

/// The numbers of the long run, in which what fills may come to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LongRun {
    /// Bytes that it may keep: no cache that a test fills is meant to be larger.
    pub bytes: f64,
    /// Descriptors, threads, processes or interpreters that it may leave: a process gets 1,024 descriptors by default,
    /// and 128 inotify instances.
    pub resources: f64,
    /// Share of a worker's memory cap that its process may take, resident.
    pub resident: u64,
    /// Beyond so many iterations it gets a part of the allowance of one, the `far_share`-th: few ends lie there, and
    /// each leak goes as far.
    pub near: u32,
    /// See `near`.
    pub far_share: f64,
    /// An allowance below this part, half, of what a long run gets where there is enough is too short to say `leak`.
    pub short: f64,
    /// Fewer iterations than this are no reason to think that the end is near.
    pub half: u32,
    /// Rest is this many times longer than the pause between two rises.
    pub rest: u32,
    /// What is trimmed now and then does not come up to the same height each time: a few objects that lived at the time
    /// were left. That is this part, a hundredth, of what comes and goes; what leaks in every 11th iteration is more, in
    /// a third of a look.
    pub uneven: i64,
    /// Where readings take more than half of the CPU time, they count as this part, a quarter. A free-threaded build goes
    /// through the whole heap in each collection, so that readings take ten times as long as a test does, and what has
    /// its end within reach would be called a leak.
    pub readings: f64,
    /// Rises that a series must have, and one more, before it can be said to have come to rest without a long run.
    pub rises: usize,
}

impl Rules {
    /// Most iterations of one order that reads after each: there may be a reading before them, and one after a warm-up.
    pub const fn most_read(&self) -> u32 {
        self.answer - 2
    }
}

/// The numbers that are used unless others are tried.
pub const USUAL: Rules = Rules {
    first_window: 8,
    longest: 16_384,
    block: 48.0,
    unexplained: 0.5,
    pauses: 4,
    answer: 8200,
    chunk: 32,
    screen: Screen {
        looks: [5, 10, 18, 34],
        patient: [13, 35],
        expected: 3,
        familiar: 3,
        usual: 20,
        pilots: 40,
        longest: 0.25,
        fewest: 16,
        fewest_patient: 34,
    },
    noise: Noise {
        readings: 6,
        shortest: 0.002,
        longest: 0.02,
        moves: 2,
        attempts: 3,
    },
    budget: Budget {
        whole: 5,
        last: 20,
        least_last: 30,
        small: 10_000.0,
        reserve: 20.0,
        least: 60,
        least_plenty: 10,
        long_run: 2,
        thorough_long_run: 20,
        share: 4,
    },
    solid: 8,
    isolation: Isolation {
        most: 24,
        culprits: 4,
        dose: 3,
        climbs: 4,
        pauses: 6,
        seconds: 0.25,
        longest: 256,
        apart: 0.1,
    },
    predecessors: Predecessors {
        most: 4,
        leaks: 8,
        before: 256,
        longest: 10.0,
        share: 2,
    },
    randomness: Randomness {
        each: 12,
        times: 4,
        new: 2,
    },
    references: References {
        again: 6,
        first: 6,
        then: 16,
        often: 2,
        rarest: 4,
        rest: 4,
        blocks: 8,
        share: 0.25,
        least: 20.0,
        most: 4,
        watched: 4,
    },
    rare: Rare {
        windows: 3,
        iterations: 16,
        share: 0.1,
        least: 1.0,
    },
    deeper: Deeper {
        besides: 0.5,
        least: 64,
        most: 1024,
        part: 0.125,
        few: 12,
        around: 0.0005,
    },
    unclosed: Unclosed {
        iterations: 3,
        frames: 10,
        share: 0.25,
        least: 10.0,
    },
    limits: Limits {
        warmup: 1,
        gaining: 2,
        grown: 6,
        crowd: 1_000_000,
        data: 1000,
        reach: Reach {
            names: Cow::Borrowed(
                "max size cap limit bound entries keep most depth history backlog quota threshold window slots length \
                    count",
            ),
            highest: 64_000_000,
            literals: (64, 1_000_000),
            settings: 100,
            levels: 3,
            above: 5,
            walks: 24,
        },
        trial: 4,
        shorter: 2,
        overshoot: 4,
        low: 2,
        entries: 1_000_000,
        most_tried: 16,
        least_tried: 2,
        cpu: 1.0,
        memory: 200_000_000,
        patience: 2.0,
        patience_factor: 20.0,
        through: 512,
        through_cpu: 1.0,
    },
    windows: Windows {
        more: 4,
        fewest: 3,
        bytes: 256e6,
        untouched: 8.0,
    },
    containers: Containers {
        once: 1.5,
        rarely: 0.2,
    },
    tracing: Tracing {
        iterations: 6,
        deeper: 3,
        depths: [1, 5, 25],
        periods: 4,
        noisy: 4,
        cheap: 0.1,
        blocks: 200e3,
        most: 2.0,
        settling: 256,
        settling_cpu: 2.0,
    },
    beside: Beside {
        least: 32.0,
        unsteady: 0.1,
        readings: 8,
        block: 528.0,
    },
    long_run: LongRun {
        bytes: 64e6,
        resources: 64.0,
        resident: 2,
        near: 2048,
        far_share: 4.0,
        short: 2.0,
        half: 256,
        rest: 2,
        uneven: 100,
        readings: 4.0,
        rises: 2,
    },
    fit: numbers::USUAL,
};

static OTHERS: OnceLock<Rules> = OnceLock::new();

/// The numbers in use.
pub static RULES: LazyLock<Rules> = LazyLock::new(|| OTHERS.get().cloned().unwrap_or(USUAL));

/// Has this process decide by others, to see what hangs on them. Comes too late once something was decided.
pub fn try_others(rules: Rules) {
    numbers::try_others(rules.fit.clone());
    let _ = OTHERS.set(rules);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_asked_for_when_there_is_an_answer() {
        let Numbers {
            window,
            looks,
            patient,
            longest_period,
            ..
        } = USUAL.fit;
        let asked = USUAL.screen.looks.map(|readings| readings as usize);
        assert_eq!(asked, [window + 1, looks[0], looks[1], looks[2]]);
        assert!(USUAL.screen.patient.map(|readings| readings as usize) > [patient, looks[2]]);
        assert_eq!(patient, longest_period);
    }
}
