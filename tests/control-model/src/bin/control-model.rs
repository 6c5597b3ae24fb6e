//! Explores the model of control and reports (`spec/control-model.md`).
#![expect(clippy::print_stdout, reason = "its output is the report")]

use std::process::ExitCode;
use std::time::Duration;

use allod_control_model::Flaws;
use allod_control_model::explore::{
    Commitments, Config, Outcome, Profile, Strategy, explore_core, explore_game,
};

const USAGE: &str = "\
usage: control-model [--full] [--json] [--threads N] [--depth N] [--core-only | --games-only]

Explores the rules of control exhaustively and prints what was seen. Without --full: a few
configurations, for `make check`. Exit code 1 if a property does not hold; the moves that show it
are printed.";

struct Options {
    full: bool,
    json: bool,
    threads: usize,
    depth: Option<usize>,
    core: bool,
    games: bool,
}

/// One line of the report.
struct Line {
    search: &'static str,
    invariant: String,
    config: String,
    detail: String,
    outcome: Outcome,
    expected_to_fail: bool,
}

impl Line {
    fn is_good(&self) -> bool {
        self.outcome.found.is_empty() != self.expected_to_fail
    }
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("control-model: error: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut lines = Vec::new();
    if options.core {
        core(&options, &mut lines);
    }
    if options.games {
        games(&options, &mut lines);
    }
    if options.json {
        println!("{:#}", json(&lines));
    } else {
        summary(&lines);
    }
    if lines.iter().all(Line::is_good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        full: false,
        json: false,
        threads: std::thread::available_parallelism().map_or(2, Into::into),
        depth: None,
        core: true,
        games: true,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().and_then(|it| it.parse().ok());
            value.ok_or(format!("{argument} takes a number"))
        };
        match argument.as_str() {
            "--full" => options.full = true,
            "--json" => options.json = true,
            "--threads" => options.threads = number()?,
            "--depth" => options.depth = Some(number()?),
            "--core-only" => options.games = false,
            "--games-only" => options.core = false,
            _ => return Err(format!("what is {argument}?")),
        }
    }
    Ok(options)
}

/// The configurations of a short run: nothing, guardians alone, next keys alone, and both with
/// default capabilities.
fn short() -> Vec<Config> {
    let make = |commitments, guardians_delay, all_capabilities| Config {
        commitments,
        guardians: guardians_delay > 0,
        all_capabilities,
        guardians_delay,
    };
    vec![
        make(Commitments::None, 0, true),
        make(Commitments::None, 3, true),
        make(Commitments::Top, 0, true),
        make(Commitments::All, 3, false),
    ]
}

/// How many operations and steps of time a search goes, unless told otherwise.
const DEPTH: usize = 8;

fn configurations(options: &Options) -> Vec<Config> {
    if options.full { Config::all() } else { short() }
}

fn core(options: &Options, lines: &mut Vec<Line>) {
    for config in configurations(options) {
        let depth = options.depth.unwrap_or(DEPTH);
        let outcome = explore_core(config, Flaws::default(), Some(depth), options.threads);
        let line = Line {
            search: "core",
            invariant: "properties of single moves and states".to_owned(),
            config: config.name(),
            detail: "anybody".to_owned(),
            outcome,
            expected_to_fail: false,
        };
        progress(options, &line);
        lines.push(line);
    }
}

fn games(options: &Options, lines: &mut Vec<Line>) {
    for config in configurations(options) {
        let depth = Some(options.depth.unwrap_or(DEPTH));
        for strategy in Strategy::ALL {
            let Some(thief) = strategy.strongest(&config) else {
                continue;
            };
            let flaws = Flaws::default();
            let outcome = explore_game(config, flaws, thief, strategy, depth, options.threads);
            let line = Line {
                search: "game",
                invariant: strategy.invariant(&thief).to_owned(),
                config: config.name(),
                detail: format!("{strategy:?} against {}", thief.name()),
                outcome,
                expected_to_fail: false,
            };
            progress(options, &line);
            lines.push(line);
        }
        sanity(options, &config, lines);
    }
}

/// What the specification says is lost is lost: otherwise the games would show nothing.
fn sanity(options: &Options, config: &Config, lines: &mut Vec<Line>) {
    for (thief, _) in Profile::all(config) {
        if thief.len() != 1 || !Strategy::loses_without_rescue(config, &thief) {
            continue;
        }
        let nobody = Strategy::Nobody;
        let flaws = Flaws::default();
        let outcome = explore_game(*config, flaws, thief, nobody, Some(8), options.threads);
        let line = Line {
            search: "game",
            invariant: nobody.invariant(&thief).to_owned(),
            config: config.name(),
            detail: format!("nobody against {}", thief.name()),
            outcome,
            expected_to_fail: true,
        };
        progress(options, &line);
        lines.push(line);
    }
}

fn progress(options: &Options, line: &Line) {
    if options.json {
        return;
    }
    let Outcome {
        states,
        unique_states,
        max_depth,
        is_complete,
        time,
        found,
    } = &line.outcome;
    let verdict = match (line.is_good(), line.expected_to_fail) {
        (true, false) => "holds",
        (true, true) => "the thief wins, as he must",
        (false, true) => "FAILS TO FAIL",
        (false, false) => "BROKEN",
    };
    let bound = match (found.is_empty(), *is_complete) {
        (false, _) => "ended there",
        (true, true) => "all",
        (true, false) => "bounded",
    };
    println!(
        "{} | {} | {} | {} | states {states} unique {unique_states} depth {} ({bound}) {:.1} s \
         | {verdict}",
        line.search,
        line.config,
        line.detail,
        line.invariant,
        max_depth - 1,
        time.as_secs_f64(),
    );
    for found in found.iter().filter(|_| !line.expected_to_fail) {
        println!("  {} is broken by:", found.property);
        for (n, it) in found.moves.iter().enumerate() {
            println!("    {} {it}", n + 1);
        }
    }
}

fn summary(lines: &[Line]) {
    let total = |of: fn(&Outcome) -> usize| lines.iter().map(|it| of(&it.outcome)).sum::<usize>();
    let time: Duration = lines.iter().map(|it| it.outcome.time).sum();
    let bad = lines.iter().filter(|it| !it.is_good()).count();
    println!(
        "{} searches, {} states, {} unique, {:.1} s; {bad} not as specified",
        lines.len(),
        total(|it| it.states),
        total(|it| it.unique_states),
        time.as_secs_f64(),
    );
}

fn json(lines: &[Line]) -> serde_json::Value {
    let lines = lines.iter().map(|line| {
        let found = line
            .outcome
            .found
            .iter()
            .map(|it| serde_json::json!({ "property": it.property, "moves": it.moves }));
        serde_json::json!({
            "search": line.search,
            "configuration": line.config,
            "detail": line.detail,
            "invariant": line.invariant,
            "states": line.outcome.states,
            "uniqueStates": line.outcome.unique_states,
            "maxDepth": line.outcome.max_depth - 1,
            "complete": line.outcome.is_complete,
            "seconds": line.outcome.time.as_secs_f64(),
            "expectedToFail": line.expected_to_fail,
            "found": found.collect::<Vec<_>>(),
            "asSpecified": line.is_good(),
        })
    });
    serde_json::json!({ "searches": lines.collect::<Vec<_>>() })
}
