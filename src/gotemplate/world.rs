//! What a run may see beside its values, and how strict it is. Makes no calls.

/// A variable of the environment by its name.
pub type Environment<'w> = dyn Fn(&str) -> Option<String> + 'w;

/// What a run may see of the world. By default nothing: what asks for it is an error.
#[derive(Clone, Copy, Default)]
pub struct TemplateWorld<'w> {
    pub environment: Option<&'w Environment<'w>>,
    /// The time, in seconds since 1970.
    pub now: Option<i64>,
}

/// How a template is run.
#[derive(Clone, Copy, Default)]
pub struct TemplateOptions<'w> {
    /// A key that is not there is an error (`missingkey=error`), and not `<no value>`.
    pub strict: bool,
    /// Note where each piece of the output comes from.
    pub trace: bool,
    /// What it may see.
    pub world: TemplateWorld<'w>,
}
