//! What a program printed, as far as it is kept: bounded, secrets masked, of its complaints what a person needs. Runs nothing.

use regex_lite::Regex;

/// What is kept of a stream: its beginning and its end.
pub(super) const MOST: usize = 1 << 20;

/// What is kept of a stream for a person: so many bytes of its beginning, and as many of its end.
const KEPT: usize = 32 << 10;

/// One call of kops, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KopsCall {
    /// What it was asked, option by option.
    words: String,
    /// What it printed on either stream: bounded, secrets masked.
    printed: String,
    /// How it ended.
    ended: String,
}

impl KopsCall {
    /// A call that printed this on its two streams.
    pub fn new(words: &str, (out, err): (&str, &str), ended: &str) -> KopsCall {
        let streams = [out, err].map(|text| bounded(masked(text).trim()));
        let printed: Vec<String> = streams.into_iter().filter(|t| !t.is_empty()).collect();
        KopsCall {
            words: masked(words),
            printed: printed.join("\n"),
            ended: masked(ended),
        }
    }

    /// As a terminal would show it.
    pub fn text(&self) -> String {
        let KopsCall {
            words,
            printed,
            ended,
        } = self;
        let end = if printed.is_empty() { "" } else { "\n" };
        format!("$ kops {words}\n{printed}{end}[{ended}]\n")
    }
}

/// The text without its middle, where it is long.
pub(super) fn bounded(text: &str) -> String {
    let end = text.len().saturating_sub(KEPT);
    if end <= KEPT {
        return text.to_owned();
    }
    let (first, last) = (text.floor_char_boundary(KEPT), text.ceil_char_boundary(end));
    let part = |range: Option<&str>| range.unwrap_or_default().to_owned();
    part(text.get(..first)) + "\n[...]\n" + &part(text.get(last..))
}

/// What stands for a secret.
const MASK: &str = "***";

/// A form of secrets.
struct SecretForm {
    /// Without any of these, in lower case, a text has none: most of what is printed is not searched further.
    needs: &'static [&'static str],
    form: &'static str,
    with: &'static str,
}

/// Forms of secrets: keys of AWS (their documented prefixes, IAM user guide, "Unique identifiers"), assignments to names that say so, private keys,
/// bearer tokens, passwords in URLs.
const SECRETS: [SecretForm; 5] = [
    SecretForm {
        needs: &["akia", "asia"],
        form: r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        with: MASK,
    },
    SecretForm {
        needs: &["secret", "password", "passwd", "token", "credential"],
        form: r#"(?i)((?:secret|password|passwd|token|credential)[a-z0-9_-]*["']?\s*[:=]\s*["']?)[^\s"',}]+"#,
        with: "${1}***",
    },
    SecretForm {
        needs: &["bearer"],
        form: r"(?i)(bearer\s+)[a-z0-9._~+/=-]+",
        with: "${1}***",
    },
    SecretForm {
        needs: &["-----begin"],
        form: r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
        with: MASK,
    },
    SecretForm {
        needs: &["://"],
        form: r"([a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@",
        with: "${1}***@",
    },
];

/// The text without what looks like a secret. It takes as long as the text is.
pub fn masked(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut text = text.to_owned();
    for SecretForm { needs, form, with } in SECRETS {
        if !needs.iter().any(|word| lower.contains(word)) {
            continue;
        }
        if let Ok(form) = Regex::new(form) {
            text = form.replace_all(&text, with).into_owned();
        }
    }
    text
}

/// What a person needs of the complaints: the lines of errors, else the last ones, without the frames that kops puts around news.
pub(super) fn complaint(out: &str, err: &str) -> String {
    const LINES: usize = 6;
    const LETTERS: usize = 1_000;
    let said = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim);
        let kept = lines.filter(|l| !l.is_empty() && !l.chars().all(|c| c == '*'));
        kept.map(|l| l.chars().filter(|c| !c.is_control()).collect())
            .collect()
    };
    // Either stream: what goes where differs between releases.
    let (out, err) = (said(&masked(out)), said(&masked(err)));
    let is_error = |l: &&String| {
        let l = l.to_ascii_lowercase();
        l.starts_with("error") || l.starts_with('f') && l.contains("] ")
    };
    let errors: Vec<&String> = err.iter().chain(&out).filter(is_error).collect();
    let lines: Vec<&String> = if errors.is_empty() {
        let all = if err.is_empty() { &out } else { &err };
        all.iter().skip(all.len().saturating_sub(LINES)).collect()
    } else {
        errors.into_iter().take(LINES).collect()
    };
    let text = lines.into_iter().map(String::as_str);
    let text = text.collect::<Vec<_>>().join("; ");
    match text.is_empty() {
        true => "it said nothing".to_owned(),
        false => text.chars().take(LETTERS).collect(),
    }
}

/// Whether the words are those of something that passes: a limit of calls, a connection, a credential that is renewed.
/// Source: AWS SDKs reference guide, "Retry behavior" (throttling and transient errors).
pub(super) fn may_pass(words: &str) -> bool {
    const PASSES: [&str; 19] = [
        "throttl",
        "requestlimitexceeded",
        "too many requests",
        "slowdown",
        "slow down",
        "serviceunavailable",
        "internalerror",
        "internal server error",
        "timeout",
        "timed out",
        "deadline exceeded",
        "connection re",
        "closed network connection",
        "broken pipe",
        "unreachable",
        "no such host",
        "tls handshake",
        "eof",
        "expiredtoken",
    ];
    let words = words.to_ascii_lowercase();
    PASSES.iter().any(|p| words.contains(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked() {
        for (text, expected) in [
            ("key AKIAIOSFODNN7EXAMPLE is", "key *** is"),
            (
                "AWS_SECRET_ACCESS_KEY=wJalr/K7 next",
                "AWS_SECRET_ACCESS_KEY=*** next",
            ),
            ("{\"password\": \"x y\"}", "{\"password\": \"*** y\"}"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            (
                "a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb",
                "a\n***\nb",
            ),
            ("https://me:pass@host/", "https://me:***@host/"),
            ("nothing secret here", "nothing secret here"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn complaints_are_those_of_errors() {
        for (out, err, expected) in [
            ("", "", "it said nothing"),
            (
                "",
                "*****\n\nA new kops version is available\n*****\nError: spec.x: Invalid\n",
                "Error: spec.x: Invalid",
            ),
            ("Error: on stdout\n", "I0101 news\n", "Error: on stdout"),
            ("a\nb\n", "", "a; b"),
        ] {
            assert_eq!(complaint(out, err), expected);
        }
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        for (words, passes) in [
            ("Error: RequestLimitExceeded: Request limit exceeded.", true),
            ("dial tcp 10.0.0.1:443: i/o timeout", true),
            // A real kops, whose connection went in the middle of an answer.
            (
                "Error: operation error EC2: DescribeImages, https response error StatusCode: 200, deserialization failed, failed to decode response body, read tcp 127.0.0.1:58848->127.0.0.1:41683: use of closed network connection",
                true,
            ),
            ("Error: spec.kubernetesVersion: Invalid value", false),
        ] {
            assert_eq!(may_pass(words), passes, "{words}");
        }
    }
}
