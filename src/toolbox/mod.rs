//! What `kops toolbox template` makes of templates, values and snippets, byte for byte: texts → text. Reads no files. Where the original loses
//! something without a word, that is said.

mod channel;
mod documents;
mod functions;
mod inputs;
mod outcome;
mod run;
mod set;
mod yaml_v2;

pub use channel::{Channel, NoChannel};
pub use functions::functions;
pub use inputs::{File, ToolboxInputs};
pub use outcome::{Loss, ToolboxError, ToolboxOutcome};
pub use run::{config_value, render};
pub use set::SetError;
