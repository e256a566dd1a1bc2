//! A group's own fields, compared.

use crate::model::Definition;

/// Whether the group's own fields differ, its template's data aside.
pub(crate) fn differs(from: &Definition, to: &Definition) -> bool {
    from.auto_scaling_group != to.auto_scaling_group || from.lifecycle_hooks != to.lifecycle_hooks
}
