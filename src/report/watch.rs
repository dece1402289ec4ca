//! What is shown of a process that is watched, and the forms it is written in: one a file.

mod figures;
mod html;
mod json;
mod live;
mod plain;

pub use html::write as html;
pub use json::write as json;
pub use live::Live;
pub use plain::write as plain;
