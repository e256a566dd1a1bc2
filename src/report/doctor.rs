//! What `kfleet doctor` found: each check is ok, wrong with what to do, or not checked and why. Checks nothing.

use serde_json::{Value as Json, json};

use super::style::{Style, Tone};
use super::wording::plain;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorCheck {
    /// Of what kind it is, one word: `git`, `store`.
    pub area: &'static str,
    /// What exactly: a cluster, an account; none: there is one of it.
    pub subject: Option<String>,
    /// How it stands.
    pub state: CheckState,
}

/// How a thing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// As it should be; what was seen.
    Ok(String),
    /// Not as it should be.
    Wrong {
        /// What was seen.
        found: String,
        /// What to do about it, a line each.
        advice: Vec<String>,
    },
    /// Not known, and why.
    NotChecked(String),
}

impl DoctorCheck {
    /// Whether something has to be done.
    pub fn is_wrong(&self) -> bool {
        matches!(self.state, CheckState::Wrong { .. })
    }

    fn words(&self) -> (&'static str, &str, &[String]) {
        match &self.state {
            CheckState::Ok(seen) => ("ok", seen, &[]),
            CheckState::Wrong { found, advice } => ("wrong", found, advice),
            CheckState::NotChecked(why) => ("not checked", why, &[]),
        }
    }
}

/// A line for each check, what to do under what is wrong, and how many of each at the end.
pub fn doctor_text(checks: &[DoctorCheck], style: Style) -> String {
    let width = |text: &dyn Fn(&DoctorCheck) -> usize| checks.iter().map(text).max().unwrap_or(0);
    let areas = width(&|c| c.area.chars().count());
    let states = width(&|c| c.words().0.chars().count());
    let mut out = String::new();
    for check in checks {
        out.push_str(&check_lines(check, areas, states, style));
    }
    let [ok, wrong, unknown] = counts(checks);
    out.push_str(&format!("{ok} ok, {wrong} wrong, {unknown} not checked\n"));
    out
}

/// A check in columns, its advice beneath.
fn check_lines(check: &DoctorCheck, areas: usize, states: usize, style: Style) -> String {
    let mut out = String::new();
    let (state, said, advice) = check.words();
    let tone = match &check.state {
        CheckState::Ok(_) => Tone::Good,
        CheckState::Wrong { .. } => Tone::Bad,
        CheckState::NotChecked(_) => Tone::Change,
    };
    let subject = check.subject.as_ref().map(|s| format!("{}: ", plain(s)));
    let painted = style.paint(tone, &format!("{state:<states$}"));
    let mut lines = said.lines();
    let first = plain(lines.next().unwrap_or_default());
    out.push_str(&format!(
        "{:<areas$}  {painted}  {}{first}\n",
        check.area,
        subject.unwrap_or_default()
    ));
    let indent = " ".repeat(areas + states + 4);
    out.extend(lines.map(|line| format!("{indent}{}\n", plain(line))));
    out.extend(
        advice
            .iter()
            .map(|line| format!("{indent}hint: {}\n", plain(line))),
    );
    out
}

fn counts(checks: &[DoctorCheck]) -> [usize; 3] {
    let of = |state: &str| checks.iter().filter(|c| c.words().0 == state).count();
    [of("ok"), of("wrong"), of("not checked")]
}

/// The same for machines. `beside`: what else is printed, by key.
pub fn doctor_json(checks: &[DoctorCheck], beside: &[(&str, Json)]) -> String {
    let all: Vec<Json> = checks
        .iter()
        .map(|check| {
            let (state, said, advice) = check.words();
            json!({
                "area": check.area,
                "subject": check.subject,
                "state": state.replace(' ', "-"),
                "said": said,
                "advice": advice,
            })
        })
        .collect();
    let [ok, wrong, unknown] = counts(checks);
    let mut value = json!({
        "version": 1,
        "checks": all,
        "summary": {"ok": ok, "wrong": wrong, "not-checked": unknown},
    });
    if let Some(object) = value.as_object_mut() {
        let beside = beside
            .iter()
            .map(|(key, found)| ((*key).to_owned(), found.clone()));
        object.extend(beside);
    }
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_comes_with_what_to_do() {
        let check = |area, subject: Option<&str>, state| DoctorCheck {
            area,
            subject: subject.map(str::to_owned),
            state,
        };
        let checks = [
            check("git", None, CheckState::Ok("clean".into())),
            check(
                "kubernetes",
                Some("a.k8s"),
                CheckState::Wrong {
                    found: "no\nanswer".into(),
                    advice: vec!["ask again".into()],
                },
            ),
            check(
                "kops",
                None,
                CheckState::NotChecked("not\x1b needed".into()),
            ),
        ];
        assert_eq!(
            doctor_text(&checks, Style::default()),
            "\
git         ok           clean
kubernetes  wrong        a.k8s: no
                         answer
                         hint: ask again
kops        not checked  not\\u{1b} needed
1 ok, 1 wrong, 1 not checked
"
        );
        let json = doctor_json(&checks, &[("more", json!(1))]);
        let json: Json = serde_json::from_str(&json).unwrap();
        assert_eq!(json["checks"][2]["state"], "not-checked");
        assert_eq!(json["summary"]["wrong"], 1);
        assert_eq!(json["more"], 1);
    }
}
