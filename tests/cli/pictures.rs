//! The pictures of the README are what the program prints on the bundled fleet: `KFLEET_BLESS=1` draws them anew.

use std::path::Path;

use crate::bed::Bed;

/// Characters of a line, and what a cut one ends with.
const COLUMNS: usize = 118;
const LEFT: usize = 16;
const TOP: usize = 30;
const WIDE: usize = 8;
const HIGH: usize = 19;

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What the symbols of a plan and the words of a story are coloured by, as at a terminal.
fn colour(line: &str) -> &'static str {
    let text = line.trim_start_matches("[local]").trim_start();
    match text.chars().next() {
        Some('$') => "#ffffff",
        Some('~') => "#e6b450",
        Some('+') => "#7fd962",
        Some('-' | '!') => "#f07178",
        _ if text.contains("finished") || text.contains("verified") => "#7fd962",
        _ if text.contains("canary") => "#e6b450",
        _ => "#c5c8c6",
    }
}

fn draw(lines: &[String]) -> String {
    let (width, height) = (2 * LEFT + COLUMNS * WIDE, TOP + lines.len() * HIGH);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1b1d23\"/>\n"
    );
    for (index, line) in lines.iter().enumerate() {
        let cut = line.chars().count() > COLUMNS;
        let mut text: String = line.chars().take(COLUMNS - usize::from(cut)).collect();
        text.extend(cut.then_some('…'));
        svg.push_str(&format!(
            "<text xml:space=\"preserve\" x=\"{LEFT}\" y=\"{}\" fill=\"{}\">{}</text>\n",
            TOP + index * HIGH,
            colour(line),
            escape(&text)
        ));
    }
    svg + "</svg>\n"
}

#[track_caller]
fn is_as_drawn(name: &str, lines: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/pictures")
        .join(name);
    let svg = draw(lines);
    if std::env::var_os("KFLEET_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &svg).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == svg,
        "docs/pictures/{name} is not what is printed: draw it anew with KFLEET_BLESS=1"
    );
}

fn owned(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(str::to_owned)
}

#[test]
fn the_pictures_are_what_is_printed() {
    let bed = Bed::with_new_image();
    let plan = bed.run("plan").ends(2).out;
    // Which commit it is of differs in every clone.
    let is_here =
        |line: &String| !line.contains("git repository") && !line.starts_with("[local] commit");
    let mut lines = vec!["$ kfleet plan".to_owned()];
    lines.extend(owned(&plan).filter(is_here));
    is_as_drawn("plan.svg", &lines);

    let story = bed.run("rollout start --stage staging").ends(0);
    let of_group = |line: &String| {
        line.contains("staging-acme")
            && (line.contains("spot-4x-16gb") || line.contains("verified"))
    };
    let mut lines = vec!["$ kfleet rollout start --stage staging".to_owned()];
    lines.extend(owned(&story.err).filter(of_group).take(24));
    lines.push("…".to_owned());
    let end = owned(&story.err).chain(owned(&story.out));
    let is_end = |line: &String| line.contains(": finished") || line.contains("clusters verified");
    lines.extend(end.filter(is_end));
    assert!(lines.len() > 12, "{lines:#?}");
    is_as_drawn("rollout.svg", &lines);
}
