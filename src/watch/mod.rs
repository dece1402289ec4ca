//! Looks at a live process from outside: what it holds, how that moves, and in which word that is said.
//!
//! Data goes one way: [`process`] measures, [`look`] is all of one moment, [`series`] are the moments one after the
//! other, [`words`] say how a series moves, [`summary`] is what there is to show. [`session`] is the loop around it.

pub mod descriptors;
pub mod heap;
pub mod look;
pub mod measure;
pub mod objects;
pub mod process;
pub mod refusal;
pub mod series;
pub mod session;
pub mod summary;
pub mod words;
