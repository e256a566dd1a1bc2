//! Pipelines: declarations, commands and operands. Knows no blocks.

use std::sync::Arc;

use super::super::ast::{Operand, OperandKind, PathStep, Pipe, PipeCommand};
use super::super::fault::Problem;
use super::super::lex::{Token, TokenKind};
use super::super::literal;
use super::{Done, Parser};

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: &TokenKind) -> Done<Pipe> {
        self.nested(|parser| parser.pipeline_inside(context, end))
    }

    fn pipeline_inside(&mut self, context: &str, end: &TokenKind) -> Done<Pipe> {
        let start = self.peek_word().range.start;
        let mut pipe = Pipe {
            range: start..start,
            variables: Vec::new(),
            assigns: false,
            commands: Vec::new(),
        };
        self.declarations(context, &mut pipe)?;
        loop {
            let token = self.peek_word();
            if token.kind == *end {
                self.next += 1;
                pipe.range.end = pipe
                    .commands
                    .last()
                    .map_or(token.range.start, |c| c.range.end);
                if pipe.range.end < pipe.range.start {
                    pipe.range.end = pipe.range.start;
                }
                self.check(&pipe, context, &token)?;
                return Ok(pipe);
            }
            if !begins_operand(&token, self.text(&token)) {
                return self.unexpected(&token, context);
            }
            pipe.commands.push(self.command()?);
        }
    }

    fn declarations(&mut self, context: &str, pipe: &mut Pipe) -> Done<()> {
        while self.peek_word().kind == TokenKind::Variable {
            let before = self.next;
            let token = self.take();
            let name: Arc<str> = self.text(&token).into();
            let sign = self.take_word();
            let comma = sign.kind == TokenKind::Sign && self.text(&sign) == ",";
            if !matches!(sign.kind, TokenKind::Assign | TokenKind::Declare) && !comma {
                self.next = before;
                return Ok(());
            }
            pipe.assigns = sign.kind == TokenKind::Assign;
            pipe.variables.push(name.clone());
            self.variables.push(name);
            if !comma {
                return Ok(());
            }
            if context != "range" || pipe.variables.len() > 1 {
                let message = format!("too many declarations in {context}");
                return self.syntax(sign.range, message);
            }
            let next = self.peek_word();
            if !may_follow_comma(&next.kind) {
                return self.syntax(next.range, "range can only initialize variables");
            }
        }
        Ok(())
    }

    fn check(&self, pipe: &Pipe, context: &str, end: &Token) -> Done<()> {
        if pipe.commands.is_empty() {
            return self.syntax(end.range.clone(), format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.first.kind,
                OperandKind::Bool(_)
                    | OperandKind::Dot
                    | OperandKind::Nil
                    | OperandKind::Number(_)
                    | OperandKind::Text(_)
            ) {
                let message = format!("non executable command in pipeline stage {}", index + 1);
                return self.syntax(command.first.range.clone(), message);
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Done<PipeCommand> {
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            operands.extend(self.operand()?);
            let token = self.peek();
            match token.kind {
                TokenKind::Space => continue,
                TokenKind::Close | TokenKind::RightParen => {}
                TokenKind::Pipe => {
                    self.piped()?;
                }
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        let mut operands = operands.into_iter();
        let Some(first) = operands.next() else {
            return self.syntax(self.peek().range, "empty command");
        };
        let arguments: Vec<Operand> = operands.collect();
        let end = arguments.last().unwrap_or(&first).range.end;
        Ok(PipeCommand {
            range: first.range.start..end,
            first,
            arguments,
        })
    }

    /// What stands behind a `|` has to be a command.
    fn piped(&mut self) -> Done<()> {
        self.next += 1;
        let after = self.peek_word();
        if matches!(after.kind, TokenKind::Close | TokenKind::RightParen) {
            return self.syntax(after.range, "missing value for command");
        }
        Ok(())
    }

    fn operand(&mut self) -> Done<Option<Operand>> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        let mut steps = Vec::new();
        while self.peek().kind == TokenKind::Field {
            let token = self.take();
            steps.push(self.step(&token));
        }
        let Some(last) = steps.last() else {
            return Ok(Some(term));
        };
        let range = term.range.start..last.range.end;
        let kind = match term.kind {
            OperandKind::Field(mut fields) => {
                fields.append(&mut steps);
                OperandKind::Field(fields)
            }
            OperandKind::Variable(name, mut fields) => {
                fields.append(&mut steps);
                OperandKind::Variable(name, fields)
            }
            OperandKind::Bool(_)
            | OperandKind::Text(_)
            | OperandKind::Number(_)
            | OperandKind::Nil
            | OperandKind::Dot => {
                let word = self.source.text.get(term.range.clone()).unwrap_or_default();
                return self.syntax(
                    term.range.clone(),
                    format!("unexpected . after term {word:?}"),
                );
            }
            OperandKind::Function(_) | OperandKind::Parens(_) | OperandKind::Chain(..) => {
                OperandKind::Chain(Box::new(term), steps)
            }
        };
        Ok(Some(Operand { range, kind }))
    }

    fn step(&self, token: &Token) -> PathStep {
        PathStep {
            name: self.text(token).trim_start_matches('.').to_owned(),
            range: token.range.clone(),
        }
    }

    fn term(&mut self) -> Done<Option<Operand>> {
        let token = self.peek_word();
        let word = self.text(&token).to_owned();
        if !begins_operand(&token, &word) {
            return Ok(None);
        }
        self.next += 1;
        let mut range = token.range.clone();
        let kind = match token.kind {
            TokenKind::Identifier => match self.functions.get(&word) {
                Some(function) => OperandKind::Function(function),
                None => return self.fault(range, Problem::NoFunction(word)),
            },
            TokenKind::Dot => OperandKind::Dot,
            TokenKind::Bool => OperandKind::Bool(word == "true"),
            TokenKind::Variable => {
                if !self.variables.iter().any(|v| **v == *word) {
                    return self.fault(range, Problem::NoVariable(word));
                }
                OperandKind::Variable(word.into(), Vec::new())
            }
            TokenKind::Field => OperandKind::Field(vec![self.step(&token)]),
            TokenKind::Number | TokenKind::Char => match literal::number(&word) {
                Ok(number) => OperandKind::Number(number),
                Err(why) => return self.syntax(range, why),
            },
            TokenKind::Quoted | TokenKind::Raw => OperandKind::Text(self.string(&token)?.into()),
            TokenKind::LeftParen => {
                let pipe = self.pipeline("parenthesized pipeline", &TokenKind::RightParen)?;
                range.end = self.at(self.next.saturating_sub(1)).range.end;
                OperandKind::Parens(Box::new(pipe))
            }
            _ => OperandKind::Nil,
        };
        Ok(Some(Operand { range, kind }))
    }
}

/// What stands behind the comma of `range $i, `: the second variable, or nothing at all.
fn may_follow_comma(kind: &TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Variable | TokenKind::Close | TokenKind::RightParen
    )
}

fn begins_operand(token: &Token, word: &str) -> bool {
    match token.kind {
        TokenKind::Bool
        | TokenKind::Char
        | TokenKind::Dot
        | TokenKind::Field
        | TokenKind::Identifier
        | TokenKind::Number
        | TokenKind::Raw
        | TokenKind::Quoted
        | TokenKind::Variable
        | TokenKind::LeftParen => true,
        TokenKind::Keyword => word == "nil",
        TokenKind::Text
        | TokenKind::Open
        | TokenKind::Close
        | TokenKind::Space
        | TokenKind::Assign
        | TokenKind::Declare
        | TokenKind::Pipe
        | TokenKind::RightParen
        | TokenKind::Sign
        | TokenKind::End
        | TokenKind::Fault(_) => false,
    }
}
