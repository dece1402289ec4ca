//! One look at a process and all below it, workers of one kind summed.

use std::{collections::BTreeMap, io};

use super::{
    descriptors::squeezed,
    measure::Measure,
    process::{Identity, Proc, Stat},
};

/// Kinds of processes that are told apart; a service has a handful.
const MOST_GROUPS: usize = 32;
/// Characters of a command line by which kinds are told apart.
const NAME: usize = 200;

/// The process itself.
pub const ROOT: usize = 0;

/// What was measured, by kind of process.
pub type Values = BTreeMap<(usize, Measure), i64>;

/// What was seen at one moment.
#[derive(Debug, Default)]
pub struct Look {
    /// The figures.
    pub values: Values,
    /// The processes that were seen, each with its kind.
    pub processes: Vec<(Identity, usize)>,
    /// Processes below that must not be looked at.
    pub forbidden: usize,
}

/// Kinds of processes, in the order in which they were first seen. The first is the process itself.
#[derive(Debug, Default)]
pub struct Groups(Vec<Group>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What it is called in reports.
    pub name: String,
    key: String,
}

impl Groups {
    /// With the command line of the process itself.
    pub fn new(command: &str) -> Groups {
        let key = key_of(command);
        let name = command.chars().take(NAME).collect();
        Groups(vec![Group { name, key }])
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|group| group.name.clone()).collect()
    }

    fn of(&mut self, command: &str, is_over: bool) -> usize {
        let mut key = key_of(command);
        let mut name = if key == self.0[ROOT].key {
            "children with the same command".to_owned()
        } else {
            format!("children: {key}")
        };
        if is_over {
            // Their command line is gone: a name is left.
            name = format!("ended, and nobody waited for: {key}");
            key.push('†');
        }
        if let Some(at) = self.0[1..].iter().position(|group| group.key == key) {
            return at + 1;
        }
        if self.0.len() >= MOST_GROUPS {
            let others = "children: others";
            if self.0[self.0.len() - 1].name != others {
                let key = String::new();
                let name = others.to_owned();
                self.0.push(Group { name, key });
            }
        } else {
            self.0.push(Group { name, key });
        }
        self.0.len() - 1
    }
}

fn key_of(command: &str) -> String {
    squeezed(&command.chars().take(NAME).collect::<String>())
}

/// Looks at `root` and what it has started. The error is that of the process itself, which may have ended.
pub fn look(proc: &Proc, root: &Stat, groups: &mut Groups) -> io::Result<Look> {
    let mut look = Look::default();
    measure(proc, root, ROOT, &mut look.values)?;
    look.processes.push((root.identity, ROOT));
    for stat in proc.below(root.identity.pid) {
        let pid = stat.identity.pid;
        let group = groups.of(&proc.command(pid), stat.is_over());
        let mut values = Values::new();
        if !stat.is_over() {
            match measure(proc, &stat, group, &mut values) {
                Ok(()) => look.processes.push((stat.identity, group)),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    look.forbidden += 1;
                }
                // It has just ended.
                Err(_) => continue,
            }
        }
        values.insert((group, Measure::Processes), 1);
        for (key, value) in values {
            *look.values.entry(key).or_default() += value;
        }
    }
    Ok(look)
}

fn measure(proc: &Proc, stat: &Stat, group: usize, values: &mut Values) -> io::Result<()> {
    let pid = stat.identity.pid;
    let memory = proc.private(pid)?;
    let descriptors = proc.descriptors(pid)?;
    let threads = proc.threads(pid)?;
    let mut add = |measure: Measure, value: i64| {
        *values.entry((group, measure)).or_default() += value;
    };
    add(Measure::Memory, i64::try_from(memory).unwrap_or(i64::MAX));
    add(Measure::Descriptors, 0);
    for descriptor in descriptors {
        add(Measure::Descriptors, 1);
        add(Measure::Kind(descriptor.kind.clone()), 1);
        if !descriptor.what.is_empty() {
            add(Measure::Open(descriptor.kind, descriptor.what), 1);
        }
    }
    add(Measure::Threads, threads.values().sum());
    for (name, count) in threads {
        add(Measure::Named(name), count);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_of_one_kind_are_one_group() {
        let mut groups = Groups::new("gunicorn app:web");
        assert_eq!(groups.of("gunicorn app:web", false), 1);
        assert_eq!(groups.of("python -c spawn_main(5, 17)", false), 2);
        assert_eq!(groups.of("python -c spawn_main(6, 9)", false), 2);
        assert_eq!(groups.of("gunicorn app:web", false), 1);
        assert_eq!(groups.of("python", true), 3);
        assert_eq!(groups.of("python", false), 4);
        assert_eq!(groups.names()[1], "children with the same command");
        for letter in 'a'..='z' {
            for other in 'a'..='z' {
                assert!(groups.of(&format!("{letter}{other}"), false) <= MOST_GROUPS);
            }
        }
        assert_eq!(groups.names().len(), MOST_GROUPS + 1);
    }

    #[test]
    fn a_look_at_this_process_has_its_sums() {
        let proc = Proc::default();
        let own = proc
            .stat(i32::try_from(std::process::id()).unwrap())
            .unwrap();
        let look = look(&proc, &own, &mut Groups::new("tests")).unwrap();
        let value = |measure| look.values[&(ROOT, measure)];
        assert!(value(Measure::Memory) > 0);
        let kinds = look.values.iter().filter_map(|((group, measure), value)| {
            matches!(measure, Measure::Kind(_) if *group == ROOT).then_some(*value)
        });
        assert_eq!(kinds.sum::<i64>(), value(Measure::Descriptors));
    }
}
