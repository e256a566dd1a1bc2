//! The embedded simulated account: groups, templates, instances that take virtual time to boot, nodes with pods. Announces nothing, prints nothing.
