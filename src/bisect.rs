//! Finding the commit that brought a leak: which commit is asked next, what its report answers, and where its code is
//! imported from.

pub mod answer;
pub mod imports;
pub mod search;
