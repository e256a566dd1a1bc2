//! Fleet → documents: text with origin, checked to be YAML that every reader reads alike. Pure: no files, no cloud, no clock.

mod breaks;
mod documents;
mod doubling;
mod engine;
mod explain;
mod fault;
mod functions;
mod go;
mod gotemplates;
mod include;
mod influence;
mod names;
mod rendered;
mod trace;
mod values;

#[cfg(test)]
mod tests;

use crate::fleet::Fleet;
use crate::model::ClusterName;

pub use engine::{ClusterRenderer, Renderer};
pub use fault::{DocumentFault, RenderError, Spot, TemplateFault};
pub use gotemplates::go_fault;
pub use rendered::{Rendered, RenderedDocument};
pub use trace::{Trace, TracedLine};

/// Renders one cluster. For more than one, make a [`Renderer`] and use it for all.
///
/// # Errors
/// The first fault in a template or in what it rendered to.
pub fn render(fleet: &Fleet, cluster: &ClusterName) -> Result<Rendered, RenderError> {
    Renderer::new(fleet)?.render(cluster)
}
