//! Which files of `vars/` a cluster reads. Reads none.

use super::document::ParsedFile;
use super::{FleetError, SourceLocation};

/// Which files of `vars/` a cluster reads, before its own extra ones.
pub(super) struct Layering(Vec<String>);

impl Layering {
    /// The patterns of `vars:`, or the standard ones.
    pub(super) fn of(doc: &ParsedFile) -> Result<Self, FleetError> {
        let Some(node) = doc.node.get("vars") else {
            return Ok(Layering(
                ["defaults.yaml", "{environment}.yaml", "{cluster}.yaml"]
                    .map(|p| format!("vars/{p}"))
                    .into(),
            ));
        };
        let mut patterns = Vec::new();
        for (i, item) in node.items().iter().enumerate() {
            let place = doc.place(&["vars", &i.to_string()]);
            // A pattern that is no string is refused when the file is decoded.
            let Some(pattern) = item.as_str() else {
                continue;
            };
            let rest = pattern
                .replace("{environment}", "")
                .replace("{cluster}", "");
            if rest.contains(['{', '}']) {
                let message = format!("`{pattern}` has a placeholder that means nothing");
                return Err(FleetError::Invalid {
                    place,
                    message,
                    hint: "the placeholders are {environment} and {cluster}".into(),
                });
            }
            patterns.push(below_vars(pattern, &place)?);
        }
        Ok(Layering(patterns))
    }

    /// The paths for one cluster, lowest first.
    pub(super) fn paths(&self, environment: &str, cluster: &str) -> Vec<String> {
        self.0
            .iter()
            .map(|p| {
                p.replace("{environment}", environment)
                    .replace("{cluster}", cluster)
            })
            .collect()
    }
}

/// The path below the fleet of a file named relative to `vars/`; it may not lead out of there.
pub(super) fn below_vars(name: &str, place: &SourceLocation) -> Result<String, FleetError> {
    let plain = !name.is_empty()
        && name
            .split('/')
            .all(|part| !part.is_empty() && !matches!(part, "." | ".."))
        && !name.contains('\\');
    if plain {
        return Ok(format!("vars/{name}"));
    }
    Err(FleetError::Invalid {
        place: place.clone(),
        message: format!("`{name}` is not a path below vars/"),
        hint: "write it relative to vars/, such as customers/acme.yaml".into(),
    })
}
