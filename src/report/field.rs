//! Field changes → lines for people: short names, set differences, the same change of one tag in many places as one line. Cuts nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::wording::plain;
use crate::plan::FieldChange;

/// One line of a group's or document's changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FieldLine {
    /// Does not need a new launch template version.
    pub(super) in_place: bool,
    /// What people call it.
    pub(super) name: String,
    /// How it changes.
    pub(super) change: FieldDelta,
    /// Where a tag changes; empty for everything else.
    pub(super) places: Vec<String>,
}

/// How a field changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FieldDelta {
    /// From one value to another.
    Values {
        /// As found; none: absent.
        from: Option<String>,
        /// As wanted; none: removed.
        to: Option<String>,
    },
    /// A list used as a set.
    Members {
        /// New members.
        added: Vec<String>,
        /// Members that go.
        removed: Vec<String>,
    },
    /// The same items of a list in another order: the new one.
    Order(Vec<String>),
}

impl FieldLine {
    /// Puts every text through `f`.
    pub(super) fn map_texts(&mut self, f: &impl Fn(&str) -> String) {
        self.name = f(&self.name);
        match &mut self.change {
            FieldDelta::Values { from, to } => from.iter_mut().chain(to).for_each(|t| *t = f(t)),
            FieldDelta::Members { added, removed } => {
                added.iter_mut().chain(removed).for_each(|t| *t = f(t))
            }
            FieldDelta::Order(items) => items.iter_mut().for_each(|t| *t = f(t)),
        }
    }
}

const TEMPLATE: &str = "launchTemplate.LaunchTemplateData.";
const GROUP: &str = "autoScalingGroup.";

/// What the plan calls the reference from a group to a version of its template.
const REFERENCE: &str = "launchTemplate.Version";

/// The fields of a group: in place first, then those of the launch template, each by name.
pub(super) fn group_lines(fields: &[FieldChange]) -> Vec<FieldLine> {
    let fields = &with_bare_items_together(fields);
    let mut lines: Vec<FieldLine> = Vec::new();
    let (user_data, fields): (Vec<_>, Vec<_>) = fields.iter().partition(|f| is_user_data(&f.field));
    lines.extend((!user_data.is_empty()).then(user_data_line));
    let mut tags: BTreeMap<(String, Option<String>, Option<String>), BTreeSet<TagTarget>> =
        BTreeMap::new();
    for field in fields {
        match tag_of(&field.field) {
            Some((key, place)) => {
                let value = |v: &Option<Json>| v.as_ref().map(tag_value);
                tags.entry((key, value(&field.from), value(&field.to)))
                    .or_default()
                    .insert(place);
            }
            None => lines.push(group_line(field)),
        }
    }
    lines.extend(tags.into_iter().map(|((key, from, to), places)| FieldLine {
        in_place: places.iter().all(|p| *p == TagTarget::Group),
        name: format!("tag {}", plain(&key)),
        change: FieldDelta::Values { from, to },
        places: places.iter().map(TagTarget::word).collect(),
    }));
    lines.sort_by_key(|l| !l.in_place);
    lines
}

/// Items that are nothing but their name, come and go as members of their list: two lists of names instead of a line each.
fn with_bare_items_together(fields: &[FieldChange]) -> Vec<FieldChange> {
    let mut out: Vec<FieldChange> = Vec::new();
    for field in fields {
        let bare = match (&field.from, &field.to) {
            (Some(item), None) => {
                bare_item(&field.field, item).map(|(list, name)| (list, Some(name), None))
            }
            (None, Some(item)) => {
                bare_item(&field.field, item).map(|(list, name)| (list, None, Some(name)))
            }
            (Some(_), Some(_)) | (None, None) => None,
        };
        let Some((list, from, to)) = bare else {
            out.push(field.clone());
            continue;
        };
        let add = |side: &mut Option<Json>, name: Option<Json>| {
            if let (Some(Json::Array(items)), Some(name)) = (side, name) {
                items.push(name);
            }
        };
        match out.iter_mut().find(|f| f.field == list) {
            Some(all) => {
                add(&mut all.from, from);
                add(&mut all.to, to);
            }
            None => {
                let names = |name: Option<Json>| Some(Json::Array(name.into_iter().collect()));
                out.push(FieldChange {
                    field: list,
                    from: names(from),
                    to: names(to),
                });
            }
        }
    }
    out
}

/// The path of the list and the name of an item that has only its name.
fn bare_item(path: &str, item: &Json) -> Option<(String, Json)> {
    let (list, name) = path.strip_suffix(']')?.rsplit_once('[')?;
    let mut entries = item.as_object()?.values();
    let only = entries
        .next()
        .filter(|value| entries.next().is_none() && value.as_str() == Some(name))?;
    Some((list.to_owned(), only.clone()))
}

/// The fields of a document, by path.
pub(super) fn document_lines(fields: &[FieldChange]) -> Vec<FieldLine> {
    with_bare_items_together(fields)
        .iter()
        .map(|f| FieldLine {
            in_place: true,
            name: plain(&f.field),
            change: change(f.from.as_ref(), f.to.as_ref()),
            places: Vec::new(),
        })
        .collect()
}

/// What people call a field of a launch template that is the reason of a replacement.
pub(super) fn reason(field: &str) -> String {
    match tag_of(field) {
        Some((key, _)) => format!("tag {}", plain(&key)),
        None if is_user_data(field) => USER_DATA.to_owned(),
        None => plain(field),
    }
}

/// What people call what an instance boots with.
const USER_DATA: &str = "user data";

fn is_user_data(field: &str) -> bool {
    let field = field.strip_prefix(TEMPLATE).unwrap_or(field);
    field == "UserData" || field.starts_with("UserData.")
}

/// User data differs from group to group by nature, and its digest says nothing to a person.
fn user_data_line() -> FieldLine {
    FieldLine {
        in_place: false,
        name: USER_DATA.into(),
        change: FieldDelta::Values {
            from: Some("as the group has it".into()),
            to: Some("another one (compared by digest)".into()),
        },
        places: Vec::new(),
    }
}

/// The same fields with images called by name. Of two images with one name, the ids are said, too.
pub(super) fn with_image_names(
    fields: &[FieldChange],
    names: &BTreeMap<String, String>,
) -> Vec<FieldChange> {
    let called = |value: &Option<Json>| -> Option<(String, Option<&String>)> {
        let id = value.as_ref()?.as_str()?;
        Some((id.to_owned(), names.get(id)))
    };
    let named = |field: &FieldChange| {
        let (from, to) = (called(&field.from), called(&field.to));
        let alike = from.as_ref().and_then(|f| f.1) == to.as_ref().and_then(|t| t.1);
        let text = |side: Option<(String, Option<&String>)>| match side {
            Some((id, Some(name))) if alike => Some(Json::from(format!("{name} ({id})"))),
            Some((_, Some(name))) => Some(Json::from(name.clone())),
            Some((id, None)) => Some(Json::from(id)),
            None => None,
        };
        FieldChange {
            field: field.field.clone(),
            from: text(from),
            to: text(to),
        }
    };
    let is_image = |f: &FieldChange| f.field == format!("{TEMPLATE}ImageId");
    fields
        .iter()
        .map(|f| if is_image(f) { named(f) } else { f.clone() })
        .collect()
}

/// Field changes in a few words each: `maxSize 12 → 10`.
pub(super) fn short(fields: &[FieldChange]) -> Vec<String> {
    let side = |value: &Option<Json>| value.as_ref().map_or("(none)".to_owned(), text);
    fields
        .iter()
        .map(|f| format!("{} {} → {}", plain(&f.field), side(&f.from), side(&f.to)))
        .collect()
}

fn group_line(field: &FieldChange) -> FieldLine {
    if field.field == REFERENCE {
        // The number differs from cluster to cluster, and says nothing: it is what the reference means now.
        let change = FieldDelta::Values {
            from: field.from.as_ref().map(text),
            to: Some("the version it means now, by number".into()),
        };
        return FieldLine {
            in_place: true,
            name: "launch template version".into(),
            change,
            places: Vec::new(),
        };
    }
    let template = field.field.starts_with("launchTemplate.");
    let name = field
        .field
        .strip_prefix(TEMPLATE)
        .or_else(|| field.field.strip_prefix(GROUP))
        .unwrap_or(&field.field);
    FieldLine {
        in_place: !template,
        name: plain(name),
        change: change(field.from.as_ref(), field.to.as_ref()),
        places: Vec::new(),
    }
}

/// Where a tag is put.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TagTarget {
    Group,
    Instance,
    Volume,
    NetworkInterface,
    Other(String),
}

impl TagTarget {
    fn of(resource: &str) -> TagTarget {
        match resource {
            "instance" => TagTarget::Instance,
            "volume" => TagTarget::Volume,
            "network-interface" => TagTarget::NetworkInterface,
            other => TagTarget::Other(other.to_owned()),
        }
    }

    fn word(&self) -> String {
        match self {
            TagTarget::Group => "group".into(),
            TagTarget::Instance => "instances".into(),
            TagTarget::Volume => "volumes".into(),
            TagTarget::NetworkInterface => "network interfaces".into(),
            TagTarget::Other(name) => plain(name),
        }
    }
}

/// The key and place of a tag, when the path is the one of a tag's value (or of a whole tag that comes or goes).
fn tag_of(path: &str) -> Option<(String, TagTarget)> {
    if let Some(rest) = path.strip_prefix("autoScalingGroup.Tags[") {
        let key = rest
            .strip_suffix("].Value")
            .or_else(|| rest.strip_suffix(']'))?;
        return Some((key.to_owned(), TagTarget::Group));
    }
    let rest = path
        .strip_prefix(TEMPLATE)
        .unwrap_or(path)
        .strip_prefix("TagSpecifications[")?;
    let (resource, rest) = rest.split_once("].Tags")?;
    let key = rest
        .strip_prefix('.')
        .or_else(|| rest.strip_prefix('[').and_then(|r| r.strip_suffix(']')))?;
    Some((key.to_owned(), TagTarget::of(resource)))
}

/// A whole tag of a group says more than its value only when instances do not get it.
fn tag_value(value: &Json) -> String {
    let Some(inner) = value.get("Value") else {
        return text(value);
    };
    let kept = value.get("PropagateAtLaunch") == Some(&Json::Bool(false));
    format!(
        "{}{}",
        text(inner),
        if kept {
            " (not passed on to instances)"
        } else {
            ""
        }
    )
}

fn change(from: Option<&Json>, to: Option<&Json>) -> FieldDelta {
    if let (Some(a), Some(b)) = (from.and_then(strings), to.and_then(strings))
        && a.iter().collect::<BTreeSet<_>>() != b.iter().collect::<BTreeSet<_>>()
    {
        let only = |x: &[&str], y: &[&str]| {
            x.iter()
                .filter(|i| !y.contains(i))
                .map(|i| plain(i))
                .collect()
        };
        return FieldDelta::Members {
            added: only(&b, &a),
            removed: only(&a, &b),
        };
    }
    if let (Some(Json::Array(a)), Some(Json::Array(b))) = (from, to)
        && a.len() == b.len()
        && sorted(a) == sorted(b)
    {
        return FieldDelta::Order(b.iter().map(item).collect());
    }
    FieldDelta::Values {
        from: from.map(text),
        to: to.map(text),
    }
}

fn sorted(items: &[Json]) -> Vec<String> {
    let mut texts: Vec<String> = items.iter().map(Json::to_string).collect();
    texts.sort();
    texts
}

/// What an item of a list is called, when it has a name.
fn item(item: &Json) -> String {
    let name = ["name", "Key", "InstanceType", "key"]
        .into_iter()
        .find_map(|key| item.get(key));
    text(name.unwrap_or(item))
}

/// The items of a list that holds only strings.
fn strings(value: &Json) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Json::as_str).collect()
}

fn text(value: &Json) -> String {
    match value {
        Json::String(s) if s.is_empty() => "\"\"".into(),
        Json::String(s) => plain(s),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            plain(&value.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&str, &str, &str)]) -> String {
        let value = |t: &str| (!t.is_empty()).then(|| serde_json::from_str::<Json>(t).unwrap());
        let fields: Vec<FieldChange> = fields
            .iter()
            .map(|(f, from, to)| FieldChange {
                field: (*f).into(),
                from: value(from),
                to: value(to),
            })
            .collect();
        group_lines(&fields)
            .into_iter()
            .map(shown)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn shown(l: FieldLine) -> String {
        let change = match l.change {
            FieldDelta::Values { from, to } => format!(
                "{} -> {}",
                from.unwrap_or("-".into()),
                to.unwrap_or("-".into())
            ),
            FieldDelta::Members { added, removed } => format!("+{added:?} -{removed:?}"),
            FieldDelta::Order(items) => format!("order {}", items.join(" ")),
        };
        format!(
            "{}{}: {change} ({})",
            if l.in_place { "in place " } else { "" },
            l.name,
            l.places.join(", ")
        )
    }

    #[test]
    fn the_same_change_of_a_tag_is_one_line() {
        let everywhere = [
            ("autoScalingGroup.Tags[Owner].Value", "\"a\"", "\"b\""),
            (
                "launchTemplate.LaunchTemplateData.TagSpecifications[instance].Tags.Owner",
                "\"a\"",
                "\"b\"",
            ),
            (
                "launchTemplate.LaunchTemplateData.TagSpecifications[network-interface].Tags.Owner",
                "\"a\"",
                "\"b\"",
            ),
            (
                "launchTemplate.LaunchTemplateData.TagSpecifications[volume].Tags.Owner",
                "\"a\"",
                "\"b\"",
            ),
        ];
        assert_eq!(
            check(&everywhere),
            "tag Owner: a -> b (group, instances, volumes, network interfaces)"
        );
        let added = [
            (
                "autoScalingGroup.Tags[k8s.io/x]",
                "",
                r#"{"Key":"k8s.io/x","Value":"1","PropagateAtLaunch":true}"#,
            ),
            (
                "launchTemplate.LaunchTemplateData.TagSpecifications[instance].Tags[k8s.io/x]",
                "",
                "\"1\"",
            ),
        ];
        assert_eq!(check(&added), "tag k8s.io/x: - -> 1 (group, instances)");
        // Another value in one place is another change.
        let differs = [
            everywhere[0],
            (
                "launchTemplate.LaunchTemplateData.TagSpecifications[volume].Tags.Owner",
                "\"a\"",
                "\"c\"",
            ),
        ];
        assert_eq!(
            check(&differs),
            "in place tag Owner: a -> b (group)\ntag Owner: a -> c (volumes)"
        );
        let passed_on = [(
            "autoScalingGroup.Tags[Owner].PropagateAtLaunch",
            "true",
            "false",
        )];
        assert_eq!(
            check(&passed_on),
            "in place Tags[Owner].PropagateAtLaunch: true -> false ()"
        );
    }

    #[test]
    fn fields_have_short_names_and_sets_show_members() {
        for (field, expected) in [
            (
                (
                    "launchTemplate.LaunchTemplateData.ImageId",
                    "\"a\"",
                    "\"b\"",
                ),
                "ImageId: a -> b ()",
            ),
            (
                ("autoScalingGroup.MaxSize", "1", "2"),
                "in place MaxSize: 1 -> 2 ()",
            ),
            (
                ("lifecycleHooks.drain", "{\"a\":1}", ""),
                "in place lifecycleHooks.drain: {\"a\":1} -> - ()",
            ),
            (
                (
                    "autoScalingGroup.VPCZoneIdentifier",
                    r#"["a","b"]"#,
                    r#"["b","c"]"#,
                ),
                "in place VPCZoneIdentifier: +[\"c\"] -[\"a\"] ()",
            ),
            (
                ("autoScalingGroup.X", r#"["a","b"]"#, r#"["b","a"]"#),
                "in place X: order b a ()",
            ),
            (
                (
                    "autoScalingGroup.X",
                    r#"[{"name":"a"},{"name":"b"}]"#,
                    r#"[{"name":"b"},{"name":"a"}]"#,
                ),
                "in place X: order b a ()",
            ),
            (
                ("launchTemplate.Version", "\"$Latest\"", "\"7\""),
                "in place launch template version: $Latest -> the version it means now, by number ()",
            ),
            (
                ("autoScalingGroup.O[a]", "", r#"{"InstanceType":"a"}"#),
                "in place O: +[\"a\"] -[] ()",
            ),
            (
                (
                    "autoScalingGroup.O[a]",
                    "",
                    r#"{"InstanceType":"a","Weight":"1"}"#,
                ),
                "in place O[a]: - -> {\"InstanceType\":\"a\",\"Weight\":\"1\"} ()",
            ),
            (
                ("autoScalingGroup.X", "\"\"", "\"a\\nb\""),
                "in place X: \"\" -> a\\nb ()",
            ),
        ] {
            assert_eq!(check(&[field]), expected);
        }
        assert_eq!(
            reason("TagSpecifications[instance].Tags[k8s.io/x]"),
            "tag k8s.io/x"
        );
        assert_eq!(reason("ImageId"), "ImageId");
    }
}
