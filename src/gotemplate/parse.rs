//! Tokens → trees. Checks what can be checked without running: functions, variables, where `break` stands.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "every token that the grammar does not name here is unexpected"
)]

mod pipelines;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::ast::{Branch, TemplateNode, Tree};
use super::fault::{GoFault, Problem};
use super::functions::Functions;
use super::lex::{Token, TokenKind, tokens};
use super::literal;
use super::source::TemplateText;

/// Blocks and parentheses nested deeper than this are refused: a template is walked by recursion.
const MAX_DEPTH: usize = 100;

/// The trees of a text: its own, and those of its `define`s and `block`s by name.
pub(super) struct Parsed {
    pub(super) main: Tree,
    pub(super) defined: BTreeMap<String, Tree>,
}

/// Parses a text.
pub(super) fn parse(source: &Arc<TemplateText>, functions: &Functions) -> Result<Parsed, GoFault> {
    let mut parser = Parser {
        source,
        functions,
        tokens: tokens(&source.text),
        next: 0,
        variables: vec!["$".into()],
        ranges: 0,
        depth: 0,
        defined: BTreeMap::new(),
    };
    let body = parser.top()?;
    Ok(Parsed {
        main: Tree {
            source: source.clone(),
            body,
        },
        defined: parser.defined,
    })
}

struct Parser<'p> {
    source: &'p Arc<TemplateText>,
    functions: &'p Functions,
    tokens: Vec<Token>,
    next: usize,
    variables: Vec<Arc<str>>,
    /// How many `range`s are open here.
    ranges: usize,
    depth: usize,
    defined: BTreeMap<String, Tree>,
}

type Done<T> = Result<T, GoFault>;

/// How a list of nodes ended.
enum Ending {
    End,
    Else,
}

/// What an action turned out to be.
enum Piece {
    Node(TemplateNode),
    End(Range<usize>),
    Else(Range<usize>),
}

impl Parser<'_> {
    fn fault<T>(&self, range: Range<usize>, problem: Problem) -> Done<T> {
        Err(GoFault::new(self.source, range, problem))
    }

    fn syntax<T>(&self, range: Range<usize>, message: impl Into<String>) -> Done<T> {
        self.fault(range, Problem::Syntax(message.into()))
    }

    fn at(&self, index: usize) -> Token {
        let end = self.source.text.len();
        self.tokens
            .get(index)
            .or(self.tokens.last())
            .cloned()
            .unwrap_or(Token {
                kind: TokenKind::End,
                range: end..end,
            })
    }

    fn peek(&self) -> Token {
        self.at(self.next)
    }

    fn take(&mut self) -> Token {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == TokenKind::Space {
            self.next += 1;
        }
    }

    fn peek_word(&mut self) -> Token {
        self.skip_space();
        self.peek()
    }

    fn take_word(&mut self) -> Token {
        self.skip_space();
        self.take()
    }

    fn text(&self, token: &Token) -> &str {
        self.source
            .text
            .get(token.range.clone())
            .unwrap_or_default()
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Done<T> {
        match &token.kind {
            TokenKind::Fault(why) => self.syntax(token.range.clone(), why.clone()),
            TokenKind::End => self.syntax(token.range.clone(), "unexpected EOF"),
            _ => {
                let word = self.text(token).to_owned();
                self.syntax(
                    token.range.clone(),
                    format!("unexpected {word:?} in {context}"),
                )
            }
        }
    }

    fn nested<T>(&mut self, inside: impl FnOnce(&mut Self) -> Done<T>) -> Done<T> {
        if self.depth >= MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep");
            return self.syntax(self.peek().range, message);
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn top(&mut self) -> Done<Vec<TemplateNode>> {
        let mut nodes = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                TokenKind::End => return Ok(nodes),
                TokenKind::Open if self.opens_define() => self.define()?,
                _ => match self.piece()? {
                    Piece::Node(node) => nodes.push(node),
                    Piece::End(range) => return self.syntax(range, "unexpected {{end}}"),
                    Piece::Else(range) => return self.syntax(range, "unexpected {{else}}"),
                },
            }
        }
    }

    fn opens_define(&self) -> bool {
        let mut index = self.next + 1;
        while self.at(index).kind == TokenKind::Space {
            index += 1;
        }
        self.text(&self.at(index)) == "define"
    }

    fn define(&mut self) -> Done<()> {
        let open = self.take();
        self.take_word();
        let name = self.template_name("define clause")?;
        self.close("define clause")?;
        let (body, ending) = self.own_scope(Self::list)?;
        if let Ending::Else = ending {
            return self.syntax(open.range, "unexpected {{else}} in define clause");
        }
        self.add(name, body, open.range)
    }

    /// A template of its own sees no variables but `$`, and no loop.
    fn own_scope<T>(&mut self, inside: impl FnOnce(&mut Self) -> Done<T>) -> Done<T> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let ranges = std::mem::take(&mut self.ranges);
        let result = self.nested(inside);
        self.variables = variables;
        self.ranges = ranges;
        result
    }

    fn add(&mut self, name: String, body: Vec<TemplateNode>, range: Range<usize>) -> Done<()> {
        let tree = Tree {
            source: self.source.clone(),
            body,
        };
        match self.defined.get(&name) {
            Some(old) if !old.is_empty() && !tree.is_empty() => {
                self.syntax(range, format!("multiple definition of template {name:?}"))
            }
            Some(old) if !old.is_empty() => Ok(()),
            Some(_) | None => {
                self.defined.insert(name, tree);
                Ok(())
            }
        }
    }

    fn template_name(&mut self, context: &str) -> Done<String> {
        let token = self.take_word();
        if !matches!(token.kind, TokenKind::Quoted | TokenKind::Raw) {
            return self.unexpected(&token, context);
        }
        self.string(&token)
    }

    fn string(&self, token: &Token) -> Done<String> {
        let text = self.text(token);
        let inner = text
            .get(1..text.len().saturating_sub(1))
            .unwrap_or_default();
        if token.kind == TokenKind::Raw {
            // Go drops carriage returns from raw strings.
            return Ok(inner.replace('\r', ""));
        }
        match literal::quoted(inner) {
            Ok(value) => Ok(value),
            Err(()) => self.syntax(token.range.clone(), "invalid syntax in a quoted string"),
        }
    }

    fn close(&mut self, context: &str) -> Done<()> {
        let token = self.take_word();
        if token.kind == TokenKind::Close {
            Ok(())
        } else {
            self.unexpected(&token, context)
        }
    }

    fn piece(&mut self) -> Done<Piece> {
        let token = self.take();
        match token.kind {
            TokenKind::Text => Ok(Piece::Node(TemplateNode::Text(token.range))),
            TokenKind::Open => self.action(token.range),
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self, open: Range<usize>) -> Done<Piece> {
        let token = self.peek_word();
        let word = if token.kind == TokenKind::Keyword {
            self.text(&token).to_owned()
        } else {
            String::new()
        };
        if matches!(
            word.as_str(),
            "block" | "break" | "continue" | "else" | "end" | "if" | "range" | "template" | "with"
        ) {
            self.next += 1;
        }
        let whole = open.start..token.range.end;
        let node = match word.as_str() {
            "if" => TemplateNode::If(self.branch("if")?),
            "with" => TemplateNode::With(self.branch("with")?),
            "range" => TemplateNode::Range(self.branch("range")?),
            "template" => self.template(open)?,
            "block" => self.block(open)?,
            "break" | "continue" => self.jump(&word, whole)?,
            "end" => {
                self.close("end")?;
                return Ok(Piece::End(whole));
            }
            "else" => {
                let next = self.peek_word();
                let more =
                    next.kind == TokenKind::Keyword && matches!(self.text(&next), "if" | "with");
                if !more {
                    self.close("else")?;
                }
                return Ok(Piece::Else(whole));
            }
            _ => {
                let pipe = self.pipeline("command", &TokenKind::Close)?;
                TemplateNode::Action(pipe)
            }
        };
        Ok(Piece::Node(node))
    }

    fn jump(&mut self, word: &str, range: Range<usize>) -> Done<TemplateNode> {
        self.close(&format!("{{{{{word}}}}}"))?;
        if self.ranges == 0 {
            return self.syntax(range, format!("{{{{{word}}}}} outside {{{{range}}}}"));
        }
        Ok(if word == "break" {
            TemplateNode::Break
        } else {
            TemplateNode::Continue
        })
    }

    fn list(&mut self) -> Done<(Vec<TemplateNode>, Ending)> {
        let mut nodes = Vec::new();
        loop {
            match self.piece()? {
                Piece::Node(node) => nodes.push(node),
                Piece::End(_) => return Ok((nodes, Ending::End)),
                Piece::Else(_) => return Ok((nodes, Ending::Else)),
            }
        }
    }

    fn branch(&mut self, word: &str) -> Done<Branch> {
        self.nested(|parser| {
            let variables = parser.variables.len();
            let branch = parser.branch_inside(word);
            parser.variables.truncate(variables);
            branch
        })
    }

    fn branch_inside(&mut self, word: &str) -> Done<Branch> {
        let pipe = self.pipeline(word, &TokenKind::Close)?;
        self.ranges += usize::from(word == "range");
        let (body, ending) = self.list()?;
        self.ranges -= usize::from(word == "range");
        let otherwise = match ending {
            Ending::End => Vec::new(),
            Ending::Else => self.otherwise(word)?,
        };
        Ok(Branch {
            pipe,
            body,
            otherwise,
        })
    }

    fn otherwise(&mut self, word: &str) -> Done<Vec<TemplateNode>> {
        let next = self.peek_word();
        if next.kind == TokenKind::Keyword {
            let chained = self.text(&next).to_owned();
            if chained != word {
                return self.unexpected(&next, "else");
            }
            // One `end` closes both.
            self.next += 1;
            let branch = self.branch(&chained)?;
            return Ok(vec![if chained == "if" {
                TemplateNode::If(branch)
            } else {
                TemplateNode::With(branch)
            }]);
        }
        let start = self.peek().range.start;
        let (nodes, ending) = self.list()?;
        match ending {
            Ending::End => Ok(nodes),
            Ending::Else => self.syntax(start..start + 1, "expected end; found {{else}}"),
        }
    }

    fn template(&mut self, open: Range<usize>) -> Done<TemplateNode> {
        let name = self.template_name("template clause")?;
        let token = self.peek_word();
        let pipe = if token.kind == TokenKind::Close {
            self.next += 1;
            None
        } else {
            Some(self.pipeline("template clause", &TokenKind::Close)?)
        };
        let end = self.at(self.next.saturating_sub(1)).range.end;
        Ok(TemplateNode::Template {
            name,
            pipe,
            range: open.start..end,
        })
    }

    fn block(&mut self, open: Range<usize>) -> Done<TemplateNode> {
        let name = self.template_name("block clause")?;
        let pipe = self.pipeline("block clause", &TokenKind::Close)?;
        let end = self.at(self.next.saturating_sub(1)).range.end;
        let range = open.start..end;
        let (body, ending) = self.own_scope(Self::list)?;
        if let Ending::Else = ending {
            return self.syntax(range, "unexpected {{else}} in block clause");
        }
        self.add(name.clone(), body, range.clone())?;
        Ok(TemplateNode::Template {
            name,
            pipe: Some(pipe),
            range,
        })
    }
}
