//! How many tests grow alike in the screen, so that the next one of them is looked at less. The tests of a file know of each
//! other and of the first files of each folder above it, and of no others: so it makes no difference how many files are
//! screened at the same time, nor which of them is faster. Only a test that grows waits for what those files tell.

use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use crate::{investigate::signature::Signature, worker::INTERRUPTED};

/// One who waits looks so often whether the run was interrupted.
const PATIENCE: Duration = Duration::from_millis(200);

/// How the tests of each file grow.
#[derive(Debug)]
pub struct Familiar {
    files: Mutex<Vec<File>>,
    /// The files that each one knows of, all of which come before it.
    teachers: Vec<Vec<usize>>,
    /// The last test of a file was screened.
    over: Condvar,
}

#[derive(Debug, Default)]
struct File {
    counts: HashMap<Signature, usize>,
    /// How the last test grew, if it did; nothing where there was none.
    last: Option<Option<Signature>>,
    is_over: bool,
}

/// What the tests of one file know.
#[derive(Debug)]
pub struct Class<'a> {
    familiar: &'a Familiar,
    file: usize,
    /// Whether others learn from it. What is looked at again tells nothing new.
    teaches: bool,
}

impl Drop for Class<'_> {
    fn drop(&mut self) {
        if self.teaches {
            self.familiar.files()[self.file].is_over = true;
            self.familiar.over.notify_all();
        }
    }
}

impl Familiar {
    /// Of files that each know of some of those before it.
    pub fn new(teachers: Vec<Vec<usize>>) -> Familiar {
        Familiar {
            files: Mutex::new(teachers.iter().map(|_| File::default()).collect()),
            teachers,
            over: Condvar::new(),
        }
    }

    /// A file whose tests are about to be screened. Files have to begin in their order, or one would wait for ever.
    pub fn begin(&self, file: usize) -> Class<'_> {
        Class {
            familiar: self,
            file,
            teaches: true,
        }
    }

    /// One whose tests are looked at again, once all were screened.
    pub fn again(&self, file: usize) -> Class<'_> {
        Class {
            familiar: self,
            file,
            teaches: false,
        }
    }

    fn files(&self) -> MutexGuard<'_, Vec<File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Class<'_> {
    /// Notes how another test grows, if it does.
    pub fn add(&self, signature: Option<Signature>) {
        if !self.teaches {
            return;
        }
        let file = &mut self.familiar.files()[self.file];
        if let Some(signature) = &signature {
            *file.counts.entry(signature.clone()).or_default() += 1;
        }
        file.last = Some(signature);
    }

    /// How many tests grow so, and whether the one before it does.
    pub fn alike(&self, signature: &Signature) -> (usize, bool) {
        let files = self.once_told();
        let teachers = &self.familiar.teachers[self.file];
        let own = &files[self.file];
        let count = { teachers.iter().map(|at| &files[*at]) }
            .chain([own])
            .map(|file| file.counts.get(signature).copied().unwrap_or(0))
            .sum();
        // Before the first test of a file comes the last one of those that it knows of.
        let before =
            { teachers.iter().rev().map(|at| &files[*at]) }.find_map(|it| it.last.as_ref());
        let last = own.last.as_ref().or(before);
        (count, last.is_some_and(|it| it.as_ref() == Some(signature)))
    }

    /// How the test before it in this file grew, and how many did so.
    pub fn last(&self) -> Option<(Signature, usize)> {
        let last = self.familiar.files()[self.file].last.clone()??;
        let (count, _) = self.alike(&last);
        Some((last, count))
    }

    /// What is known once all tests of the files that it knows of were screened.
    fn once_told(&self) -> MutexGuard<'_, Vec<File>> {
        let mut files = self.familiar.files();
        let teachers = &self.familiar.teachers[self.file];
        while teachers.iter().any(|at| !files[*at].is_over) && !INTERRUPTED.load(Ordering::SeqCst) {
            let woken = self.familiar.over.wait_timeout(files, PATIENCE);
            files = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Counter;

    fn blocks(each: i64) -> Signature {
        Signature::from([(Counter::Blocks, each)])
    }

    #[test]
    fn the_last_test_is_told_with_its_like_and_nothing_of_one_that_does_not_grow() {
        let familiar = Familiar::new(vec![Vec::new()]);
        let class = familiar.begin(0);
        assert_eq!(class.last(), None);
        for count in 1..4 {
            class.add(Some(blocks(2)));
            assert_eq!(class.last(), Some((blocks(2), count)));
        }
        class.add(None);
        assert_eq!(class.last(), None);
        class.add(Some(blocks(3)));
        assert_eq!(class.last(), Some((blocks(3), 1)));
        assert_eq!(class.alike(&blocks(3)), (1, true));
        assert_eq!(class.alike(&blocks(2)), (3, false));
        // A second look tells nobody.
        familiar.again(0).add(Some(blocks(2)));
        assert_eq!(class.alike(&blocks(2)), (3, false));
    }

    #[test]
    fn a_file_knows_of_its_teachers_and_of_no_other_whoever_was_first() {
        let familiar = Familiar::new(vec![Vec::new(), Vec::new(), vec![0]]);
        let (other, last) = (familiar.begin(1), familiar.begin(2));
        other.add(Some(blocks(2)));
        drop(other);
        let first = familiar.begin(0);
        first.add(Some(blocks(2)));
        first.add(Some(blocks(2)));
        drop(first);
        assert_eq!(last.last(), None);
        assert_eq!(last.alike(&blocks(2)), (2, true));
        last.add(None);
        assert_eq!(last.alike(&blocks(2)), (2, false));
        last.add(Some(blocks(2)));
        assert_eq!(last.last(), Some((blocks(2), 3)));
    }

    #[test]
    fn one_that_grows_waits_until_its_teachers_are_over() {
        let familiar = Familiar::new(vec![Vec::new(), vec![0]]);
        let (first, second) = (familiar.begin(0), familiar.begin(1));
        // What does not grow waits for nobody.
        assert_eq!(second.last(), None);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| second.alike(&blocks(2)));
            for _ in 0..50 {
                std::thread::yield_now();
                first.add(Some(blocks(2)));
            }
            drop(first);
            assert_eq!(waits.join().unwrap(), (50, true));
        });
    }
}
