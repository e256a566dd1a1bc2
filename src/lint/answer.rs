//! Rules with one safe answer: which field is taken out, or set to what. Changes no file.

use super::id::RuleId;

/// What to do with a field, whatever its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldAnswer {
    /// Take it out.
    Remove(&'static str),
    /// Give it this value.
    Set(&'static str, &'static str),
}

/// The rules that have one. Where several answers are possible a person chooses.
const ANSWERS: [(&str, &[FieldAnswer]); 6] = [
    (
        "L09",
        &[
            FieldAnswer::Set("spotAllocationStrategy", "price-capacity-optimized"),
            FieldAnswer::Remove("spotInstancePools"),
        ],
    ),
    ("L12", &[FieldAnswer::Remove("capacityRebalance")]),
    ("L16", &[FieldAnswer::Remove("maxPrice")]),
    (
        "L17",
        &[
            FieldAnswer::Remove("maxInstanceLifetime"),
            FieldAnswer::Remove("capacityRebalance"),
        ],
    ),
    ("L21", &[FieldAnswer::Remove("eks:nodegroup-name")]),
    (
        "S16",
        &[
            FieldAnswer::Set("rootVolumeEncryption", "true"),
            FieldAnswer::Set("httpTokens", "required"),
        ],
    ),
];

/// What can be done about a finding of this rule.
pub fn answers(rule: RuleId) -> &'static [FieldAnswer] {
    let mut all = ANSWERS.iter();
    all.find(|(id, _)| *id == rule.as_str())
        .map_or(&[], |(_, answers)| *answers)
}

impl FieldAnswer {
    /// The field that it is about.
    pub fn field(self) -> &'static str {
        match self {
            FieldAnswer::Remove(field) | FieldAnswer::Set(field, _) => field,
        }
    }

    /// A line of YAML that holds the field and its value, as it should be; none: not at all. The rest of the line, a comment too, stays.
    pub fn of_line(self, line: &str) -> Option<String> {
        match self {
            FieldAnswer::Remove(_) => None,
            FieldAnswer::Set(_, value) => {
                let (before, after) = line.split_once(':').unwrap_or((line, ""));
                let comment = after.find(" #").and_then(|at| after.get(at..));
                Some(format!("{before}: {value}{}", comment.unwrap_or_default()))
            }
        }
    }

    /// Whether a line of YAML is just this field, with a value that stands on the line.
    pub fn is_in(self, line: &str) -> bool {
        let rest = line.trim_start().strip_prefix(self.field());
        let value = rest.and_then(|rest| rest.strip_prefix(':'));
        value.is_some_and(|value| {
            let value = value.trim_start();
            !value.is_empty() && !value.starts_with(['#', '|', '>', '{', '[', '&'])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_changed_in_its_value_alone() {
        let set = FieldAnswer::Set("httpTokens", "required");
        assert!(set.is_in("    httpTokens: optional"));
        for line in [
            "httpTokens:",
            "xhttpTokens: a",
            "httpTokens: {a: b}",
            "# httpTokens: a",
        ] {
            assert!(!set.is_in(line), "{line}");
        }
        assert_eq!(
            set.of_line("    httpTokens: optional # for now").as_deref(),
            Some("    httpTokens: required # for now")
        );
        assert_eq!(
            FieldAnswer::Remove("maxPrice").of_line("  maxPrice: \"1\""),
            None
        );
    }

    #[test]
    fn what_has_an_answer_is_a_rule() {
        for (id, answers) in ANSWERS {
            let rule = super::super::rules::rule_id(id).unwrap();
            assert_eq!(self::answers(rule), answers);
        }
    }
}
