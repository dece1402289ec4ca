//! What a worker can be asked to do, each order with the type of its answer.

use serde::Serialize;

use super::protocol::{
    self, Called, Counted, Described, Dumped, Ended, Filling, Followed, Freed, Gained, Held,
    Lowered, Named, Numbers, Populated, Ran, Record, Referred, Survived, Traced,
};
pub use crate::investigate::{
    experiment::Wider,
    trial::{Beside, Fill, Gain, Hold, Lower},
};
use crate::verdict::Counter;

/// An order with the type of its answer.
pub trait Ask: Into<Order> {
    /// What answers it.
    type Answer;

    /// The answer, if `record` is one.
    fn answer(record: Record) -> Option<Self::Answer>;
}

/// Makes the sum of all orders, and says which record answers each.
macro_rules! orders {
    ($($order:ident -> $record:ident($answer:ty),)*) => {
        /// One order to a worker.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(tag = "do", rename_all = "lowercase")]
        pub enum Order {
            $(#[doc = concat!("See [`", stringify!($order), "`].")] $order($order),)*
        }

        $(
            impl From<$order> for Order {
                fn from(order: $order) -> Order {
                    Order::$order(order)
                }
            }

            impl Ask for $order {
                type Answer = $answer;

                fn answer(record: Record) -> Option<$answer> {
                    match record {
                        Record::$record(answer) => Some(answer),
                        _ => None,
                    }
                }
            }
        )*
    };
}

orders! {
    Run -> Ran(Ran),
    SelfCheck -> Ran(Ran),
    Trace -> Traced(Traced),
    Dump -> Dumped(Dumped),
    Garbage -> Dumped(Dumped),
    Inside -> Inside(protocol::Inside),
    Free -> Freed(Freed),
    Follow -> Followed(Followed),
    Calls -> Called(Called),
    Grown -> Grown(protocol::Grown),
    Fill -> Filled(Filling),
    Gain -> Gained(Gained),
    Beside -> Beside(Numbers),
    Lower -> Lowered(Lowered),
    Hold -> Held(Held),
    Replay -> Ran(Ran),
    Count -> Counted(Counted),
    References -> Referred(Referred),
    Unclosed -> Unclosed(protocol::Unclosed),
    Survivors -> Survived(Survived),
    Still -> Still(protocol::Still),
    Name -> Named(Named),
    Describe -> Described(Described),
    Population -> Populated(Populated),
    End -> Ended(Ended),
}

impl Order {
    /// The file that the worker writes for it.
    pub(crate) fn file(&self) -> Option<&str> {
        match self {
            Order::Dump(dump) => Some(&dump.file),
            Order::Garbage(garbage) => Some(&garbage.file),
            Order::Inside(inside) => Some(&inside.file),
            _ => None,
        }
    }
}

/// Runs iterations with a reading after each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Index of the test to open; absent to go on with the open one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<usize>,
    /// Unfreezes and collects first, so that garbage frozen earlier goes.
    pub thaw: bool,
    /// Looks anew for the containers whose lengths are read, as the window opens, or at once where it goes on.
    pub survey: bool,
    /// Which fixtures each iteration sets up and tears down besides those of the function.
    pub wider: Wider,
    /// Iterations before the window opens; 0 keeps the open window.
    pub warmup: u32,
    /// Opens the window before the warm-up, and reads there as well. It is opened anew after the warm-up only where
    /// that left a lot.
    pub before: bool,
    /// Reads after each iteration that follows, not after the last one only.
    pub between: bool,
    /// Iterations in the window.
    pub iterations: u32,
    /// Notes what the first two iterations depend on.
    #[serde(skip_serializing_if = "is_not")]
    pub note: bool,
}

fn is_not(flag: &bool) -> bool {
    !flag
}

impl Run {
    /// Opens a test: one iteration before the window and one in it.
    pub fn open(test: usize) -> Run {
        Run {
            test: Some(test),
            warmup: 1,
            ..Run::on(1)
        }
    }

    /// The same, with some wider fixtures set up anew in each iteration.
    pub fn within(test: usize, wider: Wider) -> Run {
        Run {
            wider,
            ..Run::open(test)
        }
    }

    /// Goes on with the open one.
    pub fn on(iterations: u32) -> Run {
        Run {
            test: None,
            thaw: false,
            survey: false,
            wider: Wider::Stay,
            warmup: 0,
            before: false,
            between: true,
            iterations,
            note: false,
        }
    }
}

/// Opens a window over a pseudo-test of the bridge's own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelfCheck {
    /// Whether each iteration leaks, or does nothing.
    pub plant: bool,
    /// Iterations before the window opens.
    pub warmup: u32,
    /// Iterations with a reading.
    pub iterations: u32,
}

/// Opens a window with tracemalloc on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace {
    /// Iterations with a reading of sites after each.
    pub iterations: u32,
    /// Frames kept of each traceback.
    pub frames: u32,
    /// Reads sites at the end only: for growth so large that readings between would take seconds.
    pub last_only: bool,
    /// Iterations before these, traced and not read.
    pub settling: u32,
}

/// Runs iterations of the open test and writes the heap down as a graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dump {
    /// Iterations whose objects are told apart.
    pub iterations: u32,
    /// Path of the file to write.
    pub file: String,
    /// Frames kept of each allocation's traceback; 0 leaves tracing off.
    pub frames: u32,
}

/// As [`Dump`], of that child process of a name in which most is left. Of a worker that was started for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inside {
    /// What the processes are called that are asked.
    pub process: String,
    /// Iterations whose objects are told apart.
    pub iterations: u32,
    /// Path of the file to write.
    pub file: String,
    /// Frames kept of each allocation's traceback.
    pub frames: u32,
}

/// Runs one iteration of the open test with the collector held back, and writes down what it left.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Garbage {
    /// Path of the file to write.
    pub file: String,
    /// Frames kept of each allocation's traceback; 0 leaves tracing off.
    pub frames: u32,
}

/// Lets the collector go on that [`Garbage`] held back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Free {}

/// Follows iterations line by line with tracemalloc on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Follow {
    /// Files, or beginnings of their paths, that are followed in any case.
    pub always: Vec<String>,
    /// Beginnings of the paths of others that are followed,
    pub within: Vec<String>,
    /// and of those among them that are not.
    pub without: Vec<String>,
    /// Frames kept of what is in use where most is.
    pub frames: u32,
}

/// Runs iterations of the open test with a number read around every line and call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calls {
    /// Iterations whose nets are told.
    pub iterations: u32,
    /// Most readings in each of them.
    pub readings: u32,
    /// Which one: `heap`, `fds`, `children` or `interpreters`.
    pub counter: Counter,
    /// Instead: how long the last object of this way is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Vec<u64>>,
}

/// Runs iterations of the open test and asks which watched containers grew in them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grown {
    /// How many.
    pub iterations: u32,
}

/// Like [`Run`] of the open test, with the same random numbers for a while, and then with others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replay {
    /// Iterations with the same ones.
    pub each: u32,
    /// How often. The first time is the warm-up.
    pub times: u32,
}

/// Runs iterations of the open test and watches which calls leave more references to their caller's variables.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct References {
    /// How many.
    pub iterations: u32,
    /// Watches the references to this object instead, of those that were counted last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<u64>,
    /// Watches which calls leave fewer of them.
    pub falls: bool,
}

/// Runs iterations of the open test and tells which chunks of memory of each live on, and who asked for them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survivors {
    /// How many.
    pub iterations: u32,
    /// Stacks of an earlier answer with which Python's lines are told as well: then it goes on where that ended.
    pub wanted: Vec<u32>,
}

/// Runs iterations of the open test and counts the references to everything there is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Count {
    /// Iterations that tell what changes,
    pub first: u32,
    /// and those that tell how.
    pub then: u32,
}

/// Runs iterations of the open test and notes what nobody closes in them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unclosed {
    /// How many.
    pub iterations: u32,
    /// Frames kept of where it was made; 0 where nothing is traced.
    pub frames: u32,
}

/// Reads the counters with no test between: what changes then is none of any test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Still {
    /// How often.
    pub readings: u32,
    /// Seconds from one reading to the next.
    pub pause: f64,
}

/// Asks for the names along ways through the heap that was written down last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Name {
    /// Identities of the objects of each way.
    pub paths: Vec<Vec<u64>>,
}

/// Asks what stands at places of the source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Describe {
    /// File and line of each.
    pub places: Vec<(String, u32)>,
}

/// Counts the objects of child processes by type. The worker is not asked: they are read from outside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Population {}

/// Ends the session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct End {
    /// Whether it tells of which types there are more objects than at its beginning.
    #[serde(skip_serializing_if = "is_not")]
    pub census: bool,
}

impl Serialize for Wider {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_have_the_form_that_the_bridge_reads() {
        let run = Order::from(Run {
            thaw: true,
            wider: Wider::Module,
            iterations: 4,
            ..Run::open(3)
        });
        assert_eq!(
            serde_json::to_string(&run).unwrap(),
            r#"{"do":"run","test":3,"thaw":true,"survey":false,"wider":1,"warmup":1,"before":false,"between":true,"iterations":4}"#
        );
        assert_eq!(
            serde_json::to_string(&Order::from(End { census: false })).unwrap(),
            r#"{"do":"end"}"#
        );
    }
}
