//! Just enough of Rust to read laws off it: a file without comments and literals, its tokens, and the paths that it writes.

/// A file: its text, its text without comments and literals, and the tokens of that with their lines.
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) code: String,
    pub(crate) tokens: Vec<(usize, String)>,
    /// Tokens before this index of a line are production code: `#[cfg(test)]` items are not.
    test: Vec<bool>,
}

/// A function with a body: its name, and the lines from its `fn` to its last brace.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Function {
    pub(crate) fn lines(&self) -> usize {
        self.last - self.first + 1
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        let code = blank(text);
        let tokens = tokens(&code);
        let test = if path.ends_with("/tests.rs") {
            vec![true; tokens.len()]
        } else {
            tests(&tokens)
        };
        Source {
            text: text.to_owned(),
            code,
            tokens,
            test,
        }
    }

    pub(crate) fn production_tokens(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens
            .iter()
            .zip(&self.test)
            .filter(|(_, test)| !**test)
            .map(|((line, token), _)| (*line, token.as_str()))
    }

    /// Every path written, groups of a `use` spelled out.
    pub(crate) fn production_paths(&self) -> impl Iterator<Item = (usize, Vec<String>)> {
        let tokens: Vec<(usize, &str)> = self.production_tokens().collect();
        let mut found = Vec::new();
        let mut index = 0;
        while index < tokens.len() {
            let follows = index > 0 && tokens[index - 1].1 == "::";
            index = if is_word(tokens[index].1) && !follows {
                read_path(&tokens, index, &[], &mut found)
            } else {
                index + 1
            };
        }
        found.into_iter()
    }
}

impl Source {
    /// Every function with a body, whatever stands before its `fn`; of closures none.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let named = |at: &usize| {
            let name = self.tokens.get(at + 1).map(|(_, token)| token.as_str());
            self.tokens[*at].1 == "fn" && name.is_some_and(is_word)
        };
        let begins = (0..self.tokens.len()).filter(named);
        begins
            .filter_map(|at| {
                Some(Function {
                    name: self.tokens[at + 1].1.clone(),
                    first: self.tokens[at].0,
                    last: body_end(&self.tokens[at..])?,
                })
            })
            .collect()
    }
}

/// The line on which the body of the function ends that begins here; none for one without a body.
fn body_end(tokens: &[(usize, String)]) -> Option<usize> {
    let (mut brackets, mut braces) = (0usize, 0usize);
    for (line, token) in tokens {
        match token.as_str() {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets = brackets.saturating_sub(1),
            ";" if brackets == 0 && braces == 0 => return None,
            "{" => braces += 1,
            "}" if braces <= 1 => return Some(*line),
            "}" => braces -= 1,
            _ => {}
        }
    }
    tokens.last().map(|(line, _)| *line)
}

/// Reads the path at `index`, and says where it ends.
fn read_path(
    tokens: &[(usize, &str)],
    mut index: usize,
    before: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let mut path = before.to_vec();
    let line = tokens[index].0;
    loop {
        match tokens.get(index).map(|t| t.1) {
            Some(word) if is_word(word) => path.push(word.to_owned()),
            Some("{") => {
                index += 1;
                while index < tokens.len() && tokens[index].1 != "}" {
                    index = if is_word(tokens[index].1) {
                        read_path(tokens, index, &path, found)
                    } else {
                        index + 1
                    };
                }
                return index + 1;
            }
            _ => break,
        }
        index += 1;
        if tokens.get(index).map(|t| t.1) != Some("::") {
            break;
        }
        index += 1;
    }
    found.push((line, path));
    index.max(1)
}

pub(crate) fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Comments and the insides of literals become spaces; lines stay.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let keep = |c: char| if c == '\n' { '\n' } else { ' ' };
    let mut i = 0;
    while i < chars.len() {
        let end = if at(i) == '/' && at(i + 1) == '/' {
            (i..chars.len())
                .find(|j| at(*j) == '\n')
                .unwrap_or(chars.len())
        } else if at(i) == '/' && at(i + 1) == '*' {
            (i + 2..chars.len())
                .find(|j| at(*j) == '*' && at(j + 1) == '/')
                .map_or(chars.len(), |j| j + 2)
        } else if at(i) == 'r' && matches!(at(i + 1), '"' | '#') && !word_before(&chars, i) {
            raw_end(&chars, i)
        } else if at(i) == '"' {
            let mut j = i + 1;
            while j < chars.len() && at(j) != '"' {
                j += if at(j) == '\\' { 2 } else { 1 };
            }
            j + 1
        } else if at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            (i + 2 + usize::from(at(i + 1) == '\\')..chars.len())
                .find(|j| at(*j) == '\'')
                .map_or(chars.len(), |j| j + 1)
        } else {
            out.push(at(i));
            i += 1;
            continue;
        };
        out.extend(chars[i..end.min(chars.len())].iter().map(|c| keep(*c)));
        i = end;
    }
    out
}

fn word_before(chars: &[char], i: usize) -> bool {
    i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_')
}

/// The end of a raw string that begins at `i`; of nothing when it is none (`r#type`).
fn raw_end(chars: &[char], i: usize) -> usize {
    let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(i + 1 + hashes) != Some(&'"') {
        return i + 1;
    }
    let closes = |j: usize| {
        chars[j] == '"'
            && chars[j + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes
    };
    (i + 2 + hashes..chars.len())
        .find(|j| closes(*j))
        .map_or(chars.len(), |j| j + 1 + hashes)
}

/// Words, `::`, and every other sign alone.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let length = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            all.push((number + 1, rest[..length].to_owned()));
            rest = rest[length..].trim_start();
        }
    }
    all
}

/// Which tokens belong to an item under `#[cfg(test)]`.
fn tests(tokens: &[(usize, String)]) -> Vec<bool> {
    let mut test = vec![false; tokens.len()];
    let begins = |i: usize| {
        tokens[i..]
            .iter()
            .take(7)
            .map(|t| t.1.as_str())
            .eq(["#", "[", "cfg", "(", "test", ")", "]"])
    };
    let mut index = 0;
    while index < tokens.len() {
        if !begins(index) {
            index += 1;
            continue;
        }
        let mut depth = 0usize;
        let mut end = index;
        for (i, (_, token)) in tokens.iter().enumerate().skip(index) {
            end = i;
            match token.as_str() {
                "{" => depth += 1,
                "}" if depth <= 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
        }
        test[index..=end].fill(true);
        index = end + 1;
    }
    test
}
