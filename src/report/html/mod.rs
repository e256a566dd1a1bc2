//! A plan, a rollout or a rehearsal → one HTML file: verdict first, then the fleet, the times, gates, zones and changes. It needs no network and no script.
//!
//! Texts come from the other reports; every one of them is escaped by the template engine, whoever wrote it.

mod changes;
mod chart;
mod gates;
mod map;
mod page;
mod plan;
mod rollout;
mod scale;
mod zones;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};

pub use plan::plan_html;
pub use rollout::{rehearsal_html, rollout_html};

use page::HtmlPage;

/// A page could not be written.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    /// Its template does not fit what it shows.
    #[error("the HTML page could not be written: {0}")]
    Template(#[from] minijinja::Error),
}

/// The name decides that everything is escaped as HTML.
const PAGE: &str = "page.html.j2";

fn written(page: &HtmlPage) -> Result<String, HtmlError> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.add_template("style.css", include_str!("style.css"))?;
    engine.add_template(PAGE, include_str!("page.html.j2"))?;
    let text = engine
        .get_template(PAGE)?
        .render(Value::from(Serde(page)))?;
    Ok(without_empty_lines(&text))
}

/// Lines that held nothing but tags.
fn without_empty_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // What is preformatted keeps its own empty lines.
    let mut is_kept = false;
    for line in text.lines() {
        is_kept |= line.contains("<pre");
        if is_kept || !line.trim().is_empty() {
            out.push_str(line);
            out.push('\n');
        }
        if line.contains("</pre>") {
            is_kept = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::page::{Headline, HtmlTone};

    fn page(title: &str) -> HtmlPage {
        HtmlPage {
            title: title.into(),
            announcement: None,
            headline: Headline::new(
                HtmlTone::Good,
                "no changes".into(),
                vec!["a <b> & \"c\"".into()],
            ),
            facts: Vec::new(),
            alerts: Vec::new(),
            table: Vec::new(),
            map: Vec::new(),
            map_keys: Vec::new(),
            chart: None,
            gates: Vec::new(),
            zones: Vec::new(),
            zones_about: "",
            changes: Vec::new(),
            texts: Vec::new(),
        }
    }

    #[test]
    fn nothing_foreign_becomes_html() {
        let html = written(&page("<script>x</script>")).unwrap();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("a &lt;b&gt; &amp; &quot;c&quot;"), "{html}");
    }

    #[test]
    fn a_page_asks_the_network_for_nothing() {
        let html = written(&page("plan")).unwrap();
        for word in ["http:", "https:", "src=", "@import", "url(", "<link"] {
            assert!(!html.contains(word), "{word} in\n{html}");
        }
    }
}
