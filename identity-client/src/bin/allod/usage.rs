//! Reading the command line, and saying what is wrong with it in our own voice.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::Cli;
use crate::console::Console;
use crate::failure::Failure;

/// Returns the command, or after help and errors the exit code.
pub(crate) fn parse() -> Result<(Cli, Console), ExitCode> {
    let error = match Cli::try_parse() {
        Ok(cli) => {
            let console = Console::new(cli.global.json, cli.global.quiet);
            return Ok((cli, console));
        }
        Err(error) => error,
    };
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if asked || help {
        // A closed pipe is no reason to fail.
        let _ = error.print();
        return Err(ExitCode::from(if asked { 0 } else { 2 }));
    }
    let json = std::env::args_os().any(|it| it == "--json");
    let console = Console::new(json, false);
    Err(ExitCode::from(console.failure(&failure(&error))))
}

/// Takes the message and the tip out of clap's text, whose first paragraph begins with `error: `.
fn failure(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let mut paragraphs = text.trim().split("\n\n");
    let message = joined(paragraphs.next().unwrap_or_default());
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let (mut hint, mut usage) = (None, None);
    for paragraph in paragraphs {
        let paragraph = paragraph.trim();
        if let Some(tip) = paragraph.strip_prefix("tip: ") {
            hint = hint.or_else(|| Some(joined(tip)));
        } else if let Some(line) = paragraph.strip_prefix("Usage: ") {
            usage = Some(
                joined(line)
                    .replace(" --node <URL>", "")
                    .replace(" --json", ""),
            );
        }
    }
    let hint = hint
        .or_else(|| usage.map(|it| format!("usage: {it}")))
        .unwrap_or_else(|| "`allod --help` lists commands and arguments".into());
    Failure::usage(message, hint)
}

fn joined(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}
