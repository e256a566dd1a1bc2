//! What hooks leave: which of their files ran where last; and what commands of a rollout printed, those of kops among them. Decides nothing.

use std::collections::BTreeMap;

use super::damage::too_new;
use super::{Store, StoreError, journal, objects};
use crate::model::HookPlace;
use crate::plan::HookMark;

/// Where the marks of hooks are.
const MARKS: &str = "hooks/";

impl Store {
    /// What every hook left when it ran last, by the key of its place.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn hook_marks(&self) -> Result<BTreeMap<String, HookMark>, StoreError> {
        let all: Vec<(String, HookMark)> = self.all(MARKS)?;
        let mut marks = BTreeMap::new();
        for (key, mark) in all {
            if mark.version != 1 {
                return Err(StoreError::Damaged {
                    place: self.place(&key),
                    why: too_new(u64::from(mark.version)),
                });
            }
            if key != mark_key(&mark.place) {
                return Err(StoreError::Damaged {
                    place: self.place(&key),
                    why: format!("it is the mark of {}", mark.place.key()),
                });
            }
            marks.insert(mark.place.key(), mark);
        }
        Ok(marks)
    }

    /// Leaves what a hook ran with; none: it was taken back, and there was nothing before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_hook_mark(
        &self,
        place: &HookPlace,
        mark: Option<&HookMark>,
    ) -> Result<(), StoreError> {
        match mark {
            Some(mark) => self.write(&mark_key(place), mark),
            None => Ok(self.objects.delete(&mark_key(place))?),
        }
    }

    /// Keeps what a command of a rollout printed, under a name that is unique in the rollout.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_output(&self, rollout: &str, name: &str, text: &str) -> Result<(), StoreError> {
        self.ensure()?;
        let key = output_key(rollout, name)?;
        Ok(objects::replace(&*self.objects, &key, text.as_bytes())?)
    }

    /// What a command of a rollout printed; none: nothing is kept under that name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn output(&self, rollout: &str, name: &str) -> Result<Option<String>, StoreError> {
        let found = self.objects.get(&output_key(rollout, name)?)?;
        Ok(found.map(|object| String::from_utf8_lossy(&object.bytes).into_owned()))
    }

    /// What commands of a rollout left there, by name.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn outputs(&self, rollout: &str) -> Result<Vec<String>, StoreError> {
        journal::checked(rollout)?;
        let names = self.objects.list(&format!("outputs/{rollout}/"))?;
        let texts = names.iter().filter_map(|name| name.strip_suffix(".txt"));
        Ok(texts.map(str::to_owned).collect())
    }
}

fn mark_key(place: &HookPlace) -> String {
    format!("{MARKS}{}.json", place.key())
}

/// Names come from a command line, too: none leads out of the rollout's folder.
fn output_key(rollout: &str, name: &str) -> Result<String, StoreError> {
    journal::checked(rollout)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
        return Err(StoreError::Damaged {
            place: format!("outputs/{rollout}"),
            why: format!("`{name}` is no name of an output"),
        });
    }
    Ok(format!("outputs/{rollout}/{name}.txt"))
}
