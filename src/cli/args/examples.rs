//! Examples of every command, as its help shows them. A test parses each of them.

pub(in crate::cli) const KFLEET: &str = "\
Examples:
  kfleet init --cluster staging.example.com --account 111122223333 --region eu-west-3
  kfleet plan --cloud local
  kfleet rollout start --cloud local
  kfleet status --cloud local";

pub(in crate::cli) const RENDER: &str = "\
Examples:
  kfleet render
  kfleet render --check
  kfleet render prod-acme --out -";

pub(in crate::cli) const DIFF: &str = "\
Examples:
  kfleet diff --since origin/main
  kfleet diff --since LAST-ROLLOUT
  kfleet diff --since v1.4 --until v1.5 --format markdown > diff.md";

pub(in crate::cli) const EXPLAIN: &str = "\
Examples:
  kfleet explain prod-acme spot_nodes.4x_32Gb.max
  kfleet explain prod-acme --doc InstanceGroup/admin-nodes";

pub(in crate::cli) const COMPILE: &str = "\
Examples:
  kfleet compile cluster.yaml groups.yaml
  kops get --name prod.example.com -o yaml | kfleet compile - --format json";

pub(in crate::cli) const AUTOSCALER: &str = "\
Examples:
  kfleet autoscaler prod-acme
  kfleet autoscaler prod-acme --format json";

pub(in crate::cli) const TEMPLATE: &str = "\
Examples:
  kfleet template --template templates/ --values values.yaml --snippets snippets/ --out cluster.yaml
  kfleet template --template cluster.tmpl.yaml --set clusterName=prod.example.com --strict";

pub(in crate::cli) const MIGRATE: &str = "\
Examples:
  kfleet migrate --dry-run
  kfleet migrate --replace";

pub(in crate::cli) const INIT: &str = "\
Examples:
  kfleet -C fleet init --cluster staging.example.com --cluster prod.example.com --account 111122223333 --region eu-west-3
  kfleet -C fleet init --from-kops --state-store s3://acme-kops-state --account 111122223333";

pub(in crate::cli) const LINT: &str = "\
Examples:
  kfleet lint
  kfleet lint --explain S25
  kfleet lint --fix
  kfleet lint --format sarif > lint.sarif";

pub(in crate::cli) const SCHEMA: &str = "\
Examples:
  kfleet schema > fleet.schema.json
  kfleet schema cluster > cluster.schema.json";

pub(in crate::cli) const PLAN: &str = "\
Examples:
  kfleet plan
  kfleet plan prod-acme --verbose
  kfleet plan --stage prod --out plan.json --html plan.html
  kfleet plan --format junit > plan.xml";

pub(in crate::cli) const SNAPSHOT: &str = "\
Examples:
  kfleet snapshot --out snapshot.json
  kfleet snapshot prod-acme --out snapshot.json";

pub(in crate::cli) const REHEARSE: &str = "\
Examples:
  kfleet rehearse
  kfleet rehearse --snapshot snapshot.json --stage prod --html rehearsal.html
  kfleet rehearse --fault throttle:3 --junit rehearsal.xml
  kfleet rehearse --seeds 200";

pub(in crate::cli) const STOP: &str = "\
Examples:
  kfleet stop --reason \"network incident, ticket 4711\"
  kfleet stop --cluster prod-acme.k8s.foo.bar --reason \"load test\"";

pub(in crate::cli) const GO: &str = "\
Examples:
  kfleet go
  kfleet go --cluster prod-acme.k8s.foo.bar";

pub(in crate::cli) const ROLLOUT: &str = "\
Examples:
  kfleet rollout start
  kfleet rollout status
  kfleet rollout approve prod --plan 3b9d6a17c204
  kfleet rollout resume";

pub(in crate::cli) const ROLLOUT_START: &str = "\
Examples:
  kfleet rollout start
  kfleet rollout start --plan plan.json --max-wait 30m
  kfleet rollout start --stage staging --format jsonl
  kfleet rollout start --break-glass \"prod is on fire, ticket 4711\" --stage prod";

pub(in crate::cli) const ROLLOUT_RESUME: &str = "\
Examples:
  kfleet rollout resume
  kfleet rollout resume --max-wait 1h
  kfleet rollout resume --hook charts=done";

pub(in crate::cli) const ROLLOUT_APPROVE: &str = "\
Examples:
  kfleet rollout approve --plan 3b9d6a17c204
  kfleet rollout approve prod --plan 3b9d6a17c204 --valid 12h";

pub(in crate::cli) const ROLLOUT_ABORT: &str = "\
Examples:
  kfleet rollout abort --reason \"wrong image\"";

pub(in crate::cli) const ROLLOUT_ROLLBACK: &str = "\
Examples:
  kfleet rollout rollback --reason \"errors rise\"
  kfleet rollout rollback --reason \"errors rise\" --plan 3b9d6a17c204";

pub(in crate::cli) const ROLLOUT_ACKNOWLEDGE: &str = "\
Examples:
  kfleet rollout acknowledge prod-acme.k8s.foo.bar --document Cluster --reason \"a setting of the addon only\"";

pub(in crate::cli) const ROLLOUT_STATUS: &str = "\
Examples:
  kfleet rollout status
  kfleet rollout status --format json
  kfleet rollout status --print-id";

pub(in crate::cli) const ROLLOUT_HISTORY: &str = "\
Examples:
  kfleet rollout history
  kfleet rollout history --format json";

pub(in crate::cli) const ROLLOUT_SHOW: &str = "\
Examples:
  kfleet rollout show
  kfleet rollout show --format html > rollout.html
  kfleet rollout show --plan 3c9d5bb9a713 --format junit > rollout.xml";

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use crate::cli::args::Arguments;

    /// Words as a shell splits them, up to where its output goes; quotes stand around a whole word.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (index, part) in line.split('"').enumerate() {
            if index % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        let end = words.iter().position(|word| word == ">" || word == "|");
        words.truncate(end.unwrap_or(words.len()));
        words
    }

    fn examples(command: &Command) -> Vec<String> {
        let text = command.get_after_help().map(ToString::to_string);
        let text = text.unwrap_or_default();
        let lines = text.lines().filter_map(|line| {
            let from = line.trim().find("kfleet ")?;
            line.trim().get(from..).map(str::to_owned)
        });
        lines.collect()
    }

    fn each(command: &Command, path: &str, check: &mut impl FnMut(&Command, &str)) {
        check(command, path);
        for below in command.get_subcommands() {
            if !below.is_hide_set() && below.get_name() != "help" {
                each(below, &format!("{path} {}", below.get_name()), check);
            }
        }
    }

    #[test]
    fn every_command_has_examples_that_can_be_typed() {
        let mut seen = 0;
        each(&Arguments::command(), "kfleet", &mut |command, path| {
            let examples = examples(command);
            assert!(!examples.is_empty(), "{path} has no example");
            for line in examples {
                let matches = Arguments::command().try_get_matches_from(words(&line));
                if let Err(error) = matches {
                    panic!("{path}: {line}: {error}");
                }
                seen += 1;
            }
        });
        assert!(seen > 60, "{seen}");
    }
}
