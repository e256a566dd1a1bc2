//! Hooks in sentences: in plans, events, reasons and the status of a rollout. Runs nothing.

use serde_json::{Value as Json, json};

use super::shards::state_text;
use super::style::{Style, Tone};
use super::wording::{clock, count, cut, plain};
use crate::fleet::{HookAt, HookFailure, HookSpec, HookWhen};
use crate::model::{HookName, HookPlace, Timestamp};
use crate::plan::{HookTask, Plan};
use crate::rollout::{
    HookEvent, HookProgress, HookReason, HookResult, HookRun, HookState, HookVerdict, HookWay,
    Progress, Rollout,
};

/// Characters of a command that are shown without `full`.
const COMMAND: usize = 100;

/// What an event of a hook is about.
pub(super) fn subject(place: &HookPlace) -> String {
    format!("{} hook {}", where_of(place), place.hook)
}

fn where_of(place: &HookPlace) -> String {
    match (&place.cluster, place.wave) {
        (Some(cluster), _) => cluster.to_string(),
        (None, Some(wave)) => format!("stage {} wave {}", place.stage, wave.saturating_add(1)),
        (None, None) => format!("stage {}", place.stage),
    }
}

fn verb(way: HookWay) -> &'static str {
    match way {
        HookWay::Run => "runs",
        HookWay::Undo => "undo runs",
    }
}

/// A fact about a hook.
pub(super) fn event(event: &HookEvent) -> String {
    match event {
        HookEvent::Started { way, attempt: 1 } => verb(*way).into(),
        HookEvent::Started { way, attempt } => format!("{}, attempt {attempt}", verb(*way)),
        HookEvent::Ended {
            way,
            result,
            said,
            output,
        } => ended_event(*way, result, said, output.as_deref()),
        HookEvent::Settled {
            way: _,
            by,
            verdict,
        } => match verdict {
            HookVerdict::Done => format!("{by} says that it has done its work"),
            HookVerdict::Again => format!("{by} has it run again"),
        },
        HookEvent::RanBeside { shard, rollout } => {
            format!(
                "shard {shard} has run it for all (rollout {})",
                plain(rollout)
            )
        }
    }
}

fn ended_event(way: HookWay, result: &HookResult, said: &str, output: Option<&str>) -> String {
    let undo = match way {
        HookWay::Run => "",
        HookWay::Undo => "undo ",
    };
    let said = match said {
        "" => String::new(),
        said => format!(": {said}"),
    };
    let kept = match output {
        Some(name) if !result.is_good() => {
            format!(" (all of it: `kfleet rollout show --output {name}`)")
        }
        Some(_) | None => String::new(),
    };
    format!("{undo}{}{said}{kept}", ended(result))
}

fn ended(result: &HookResult) -> String {
    match result {
        HookResult::Done => "done".into(),
        HookResult::Failed { code } => format!("failed with exit code {code}"),
        HookResult::TimedOut { after } => {
            format!("had not ended after {after}, and was ended with everything that it started")
        }
        HookResult::Killed => "was killed".into(),
        HookResult::NotRun { why } => format!("could not be run: {why}"),
        HookResult::Skipped { program } => {
            format!("skipped, nothing was run: `{program}` is not on the PATH")
        }
        HookResult::Simulated => {
            "not run: the account is simulated, and what a hook reaches is real".into()
        }
    }
}

/// Why a hook is waited for, or cannot be gone on from.
pub(super) fn reason(reason: &HookReason) -> String {
    match reason {
        HookReason::HookRuns { place, way, since } => format!(
            "hook `{}` {} ({}), since {}",
            place.hook,
            verb(*way),
            where_of(place),
            clock(*since)
        ),
        HookReason::HookAgain {
            place,
            way: _,
            result,
        } => format!("{}; it is tried again", failed("", place, result, 0)),
        HookReason::HookFailed {
            place,
            result,
            attempts,
        } => failed("", place, result, *attempts),
        HookReason::UndoFailed {
            place,
            result,
            attempts,
        } => failed("the undo of ", place, result, *attempts),
        HookReason::HookInDoubt { place, way, since } => format!(
            "{} hook `{}` ({}) was begun at {}, and the process that ran it has ended: whether it did its work is not known, and it does not say that it may run twice",
            match way {
                HookWay::Run => "the",
                HookWay::Undo => "the undo of",
            },
            place.hook,
            where_of(place),
            clock(*since)
        ),
        HookReason::HookOfShard {
            place,
            shard,
            rollout: (id, state),
        } => format!(
            "hook `{}` ({}) runs once for all shards, in shard {shard} (rollout {}, {}), and is not through",
            place.hook,
            where_of(place),
            plain(id),
            state_text(*state)
        ),
    }
}

fn failed(what: &str, place: &HookPlace, result: &HookResult, attempts: u32) -> String {
    format!(
        "{what}hook `{}` ({}) {}{}",
        place.hook,
        where_of(place),
        ended(result),
        tries(attempts)
    )
}

fn tries(attempts: u32) -> String {
    match attempts {
        0 | 1 => String::new(),
        more => format!(" (attempt {more})"),
    }
}

/// The hooks of a plan, those that differ in nothing but their places together.
pub(super) fn plan_lines(plan: &Plan, style: Style) -> Vec<String> {
    let mut kinds: Vec<(&HookTask, Vec<&HookTask>)> = Vec::new();
    for task in &plan.hooks {
        let is_alike = |(first, _): &&mut (&HookTask, Vec<&HookTask>)| {
            first.place.hook == task.place.hook && first.place.stage == task.place.stage
        };
        match kinds.iter_mut().find(is_alike) {
            Some((_, tasks)) => tasks.push(task),
            None => kinds.push((task, vec![task])),
        }
    }
    if kinds.is_empty() {
        return Vec::new();
    }
    let mut out = vec![style.paint(Tone::Head, "hooks")];
    for (first, tasks) in kinds {
        out.push(format!(
            "  {} {} ({}): {}",
            style.paint(Tone::Change, "$"),
            first.place.hook,
            moment(first),
            times(&tasks)
        ));
        let shown = if style.full { usize::MAX } else { 1 };
        for task in tasks.iter().take(shown) {
            out.push(format!("      {}", command(&task.spec.run, style)));
        }
        out.push(format!("      {}", terms(&first.spec, &tasks)));
    }
    out.push(String::new());
    out
}

fn moment(task: &HookTask) -> String {
    let stage = &task.place.stage;
    match task.spec.at {
        HookAt::BeforeStage => format!("before stage {stage}"),
        HookAt::AfterStage => format!("after stage {stage}"),
        HookAt::BeforeWave => format!("before waves of stage {stage}"),
        HookAt::AfterWave => format!("after waves of stage {stage}"),
        HookAt::BetweenWaves => format!("between waves of stage {stage}"),
        HookAt::BeforeCluster => format!("before clusters of stage {stage}"),
        HookAt::AfterCluster => format!("after clusters of stage {stage}"),
    }
}

/// How often it runs, and where.
fn times(tasks: &[&HookTask]) -> String {
    let named = |task: &&HookTask| match (&task.place.cluster, task.place.wave) {
        (Some(cluster), _) => Some(cluster.to_string()),
        (None, Some(wave)) => Some(format!("wave {}", wave.saturating_add(1))),
        (None, None) => None,
    };
    let names: Vec<String> = tasks.iter().filter_map(named).collect();
    match names.is_empty() {
        true => "runs once".into(),
        false => format!("runs for {}", super::wording::list(names, 10)),
    }
}

fn command(words: &[String], style: Style) -> String {
    let word = |word: &String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
        match !word.is_empty() && word.chars().all(is_plain) {
            true => word.clone(),
            false => format!("'{}'", plain(word)),
        }
    };
    let line = words.iter().map(word).collect::<Vec<_>>().join(" ");
    match style.full {
        true => line,
        false => cut(&line, COMMAND),
    }
}

fn why_it_runs(spec: &HookSpec, tasks: &[&HookTask]) -> String {
    let never = tasks.iter().filter(|t| t.before.is_none()).count();
    match spec.when {
        HookWhen::Always => "in each rollout that changes something there".into(),
        HookWhen::Changed if never == 0 => "its files or commands changed".into(),
        HookWhen::Changed if never == tasks.len() => "it has not run there yet".into(),
        HookWhen::Changed => format!(
            "its files or commands changed, and in {} it has not run yet",
            count(never, "place")
        ),
    }
}

fn on_failure(policy: HookFailure) -> String {
    let word = match policy {
        HookFailure::Rollback => "rollback",
        HookFailure::Hold => "hold",
        HookFailure::Stop => "stop",
        HookFailure::Continue => "continue",
    };
    format!("when it fails: {word}")
}

/// Why it runs, and what holds for it.
fn terms(spec: &HookSpec, tasks: &[&HookTask]) -> String {
    let mut terms = vec![why_it_runs(spec, tasks)];
    terms.push(format!("within {}", spec.timeout));
    if spec.retries > 0 {
        terms.push(format!("up to {} more", count(spec.retries, "attempt")));
    }
    terms.push(match spec.undo.is_empty() {
        true => "has no undo: a rollback leaves what it did".into(),
        false => "has an undo".into(),
    });
    if !spec.repeatable {
        terms.push("may not run twice".into());
    }
    terms.extend(spec.on_failure.map(on_failure));
    if let Some(program) = &spec.skip_without {
        terms.push(format!("skipped where `{program}` is not on the PATH"));
    }
    terms.join("; ")
}

/// What a plan changes by hooks, for its summary; none: it has none.
pub(super) fn plan_line(plan: &Plan) -> Option<String> {
    let runs = plan.hooks.len();
    let own = plan.hooks.iter().filter(|h| h.is_own_change()).count();
    (runs > 0).then(|| {
        format!(
            "{} by hooks, {own} of them for what has changed",
            count(runs, "run")
        )
    })
}

/// The hooks of a rollout that have begun, are taken back, or are due now.
pub(super) fn status_lines(rollout: &Rollout, progress: &Progress, style: Style) -> Vec<String> {
    let lines: Vec<String> = rollout
        .hooks()
        .filter_map(|task| {
            let hook = progress.hooks.get(&task.place)?;
            let state = standing(hook, task)?;
            let line = format!("  {}: {state}", subject(&task.place));
            Some(match is_bad(hook) {
                true => style.paint(Tone::Bad, &line),
                false => line,
            })
        })
        .collect();
    let left = rollout
        .hooks()
        .filter(|task| progress.hooks.get(&task.place).is_some_and(is_untouched));
    let left = left.count();
    if lines.is_empty() && left == 0 {
        return Vec::new();
    }
    let mut out = vec![style.paint(Tone::Head, "hooks")];
    out.extend(lines);
    if left > 0 && progress.ending.is_none() {
        out.push(format!("  {} not begun", count(left, "run")));
    }
    out
}

fn is_untouched(hook: &HookProgress) -> bool {
    hook.run.attempts == 0 && hook.run.state == HookState::Waiting
}

fn is_bad(hook: &HookProgress) -> bool {
    [&hook.run, &hook.undo].iter().any(|run| match &run.state {
        HookState::Ended(_, result) => !result.is_good(),
        HookState::InDoubt(_) => true,
        HookState::Waiting | HookState::Running(_) | HookState::Settled(_) => false,
    })
}

/// Where it stands; none: nothing has begun.
fn standing(hook: &HookProgress, task: &HookTask) -> Option<String> {
    if is_untouched(hook) {
        return None;
    }
    let mut text = run_standing(&hook.run);
    let goes_on = task.spec.on_failure == Some(HookFailure::Continue);
    if goes_on && matches!(&hook.run.state, HookState::Ended(_, r) if !r.is_good()) {
        text += ", and the rollout goes on (on_failure: continue)";
    }
    if hook.taken_back {
        text += &format!("; undo {}", run_standing(&hook.undo));
    }
    Some(text)
}

fn run_standing(run: &HookRun) -> String {
    let state = match &run.state {
        HookState::Waiting if run.attempts == 0 => "waits for its turn".into(),
        HookState::Waiting => "is to run again".into(),
        HookState::Running(since) => format!("runs since {}", clock(*since)),
        HookState::InDoubt(since) => format!("IN DOUBT: begun at {}", clock(*since)),
        HookState::Ended(at, result) => format!("{} at {}", ended(result), clock(*at)),
        HookState::Settled(at) if run.attempts == 0 => {
            format!("done, in another shard, at {}", clock(*at))
        }
        HookState::Settled(at) => format!("done, as a person said at {}", clock(*at)),
    };
    format!("{state}{}", tries(run.attempts))
}

fn run_json(run: &HookRun) -> Json {
    let (state, at, result) = match &run.state {
        HookState::Waiting => ("waiting", None, None),
        HookState::Running(since) => ("running", Some(since), None),
        HookState::InDoubt(since) => ("in-doubt", Some(since), None),
        HookState::Ended(at, result) if result.is_good() => ("done", Some(at), Some(result)),
        HookState::Ended(at, result) => ("failed", Some(at), Some(result)),
        HookState::Settled(at) => ("done", Some(at), None),
    };
    json!({"state": state, "at": at, "result": result, "attempts": run.attempts})
}

/// The hooks of a rollout for machines.
pub(super) fn status_json(rollout: &Rollout, progress: &Progress) -> Json {
    let all = rollout.hooks().filter_map(|task| {
        let hook = progress.hooks.get(&task.place)?;
        let mut value = serde_json::to_value(&task.place).unwrap_or(Json::Null);
        let object = value.as_object_mut()?;
        object.insert("key".into(), json!(task.place.key()));
        object.insert("at".into(), json!(task.spec.at));
        object.insert("run".into(), run_json(&hook.run));
        object.insert(
            "undo".into(),
            if hook.taken_back {
                run_json(&hook.undo)
            } else {
                Json::Null
            },
        );
        Some(value)
    });
    json!(all.collect::<Vec<_>>())
}

/// When a hook ran last at one of its places, and whether git has something else by now.
pub(super) fn last_run(task: &HookTask, style: Style) -> String {
    let (tone, what) = match &task.before {
        None => (Tone::Change, "has not run yet".to_owned()),
        Some(mark) if task.is_changed() => (
            Tone::Change,
            format!(
                "last in rollout {} at {}; its files or commands have changed since",
                plain(&mark.rollout),
                clock(mark.at)
            ),
        ),
        Some(mark) => (
            Tone::Good,
            format!(
                "as git has it since rollout {} at {}",
                plain(&mark.rollout),
                clock(mark.at)
            ),
        ),
    };
    let subject = format!("{}: hook {}: ", where_of(&task.place), task.place.hook);
    style.paint(tone, &subject) + &what
}

/// Hooks that are as git has them at several places: a line each instead of one a place.
pub(super) fn as_git_has_them(hooks: &[HookTask], style: Style) -> Vec<String> {
    let mut names: Vec<&HookName> = Vec::new();
    for task in hooks.iter().filter(|task| is_folded(task, hooks, style)) {
        if !names.contains(&&task.place.hook) {
            names.push(&task.place.hook);
        }
    }
    let line = |name: &HookName| {
        let marks = hooks.iter().filter(|task| task.place.hook == *name);
        let marks = marks.filter(|task| !task.is_changed());
        let at: Vec<Timestamp> = marks.filter_map(|t| Some(t.before.as_ref()?.at)).collect();
        let last = at
            .iter()
            .max()
            .map(|last| format!(", last at {}", clock(*last)));
        let subject = style.paint(Tone::Good, &format!("hook {name}: "));
        let places = count(at.len(), "place");
        format!(
            "{subject}as git has it at {places}{}; `--verbose` names each",
            last.unwrap_or_default()
        )
    };
    names.into_iter().map(line).collect()
}

/// Whether a hook's place is one of several about which there is nothing else to say.
pub(super) fn is_folded(task: &HookTask, hooks: &[HookTask], style: Style) -> bool {
    let alike = |other: &&HookTask| other.place.hook == task.place.hook && !other.is_changed();
    !style.full && !task.is_changed() && hooks.iter().filter(alike).count() > 1
}

/// The same for machines.
pub(super) fn last_runs_json(hooks: &[HookTask]) -> Json {
    let one = |task: &HookTask| {
        let mut value = serde_json::to_value(&task.place).unwrap_or(Json::Null);
        if let Some(object) = value.as_object_mut() {
            object.insert("key".into(), json!(task.place.key()));
            object.insert("last".into(), json!(task.before));
            object.insert("as_git_wants".into(), json!(!task.is_changed()));
        }
        value
    };
    json!(hooks.iter().map(one).collect::<Vec<_>>())
}

/// What a rollout keeps of what its commands printed, and how it is read; of none, nothing.
pub fn outputs_text(rollout: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let lines: String = names.iter().map(|n| format!("  {}\n", plain(n))).collect();
    format!("what was printed (`kfleet rollout show {rollout} --output NAME`):\n{lines}")
}

/// What a program printed, line by line, without what would move the cursor or colour anything.
pub fn printed_text(text: &str) -> String {
    text.lines().map(|line| plain(line) + "\n").collect()
}
