//! `pages DIR`: manual pages and completions of our programs, from their command lines, for
//! packages. None of the programs carries the generators.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _, Parser};
use clap_complete::Shell;

// The command line of `allod` is described apart from what it does, and read from there: its crate
// is a program, and the library beside it has no command line.
#[path = "../../../../identity-client/src/bin/allod/amounts.rs"]
#[allow(dead_code, reason = "the command line's types, without what uses them")]
mod amounts;
#[path = "../../../../identity-client/src/bin/allod/args.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the command line's types, without what uses them"
)]
mod args;
mod gov;

/// Write manual pages and completions.
#[derive(Debug, Parser)]
#[command(name = "pages")]
struct Cli {
    /// Directory that gets `man1`, `bash`, `zsh` and `fish`
    directory: PathBuf,
}

/// Returns the command lines of the programs that packages hold.
fn programs() -> [Command; 3] {
    [
        allod_chain::cli::command(),
        args::Cli::command(),
        allod_devnet::command(),
    ]
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    for program in programs() {
        write(program, &cli.directory)?;
    }
    Ok(())
}

/// Writes the pages of one program: a manual page for each of its commands, and completions under
/// the names that each shell looks for.
fn write(program: Command, directory: &Path) -> anyhow::Result<()> {
    let manual = directory.join("man1");
    fs::create_dir_all(&manual)?;
    clap_mangen::generate_to(program.clone().disable_help_subcommand(true), &manual)?;
    for (shell, name) in [
        (Shell::Bash, "bash"),
        (Shell::Zsh, "zsh"),
        (Shell::Fish, "fish"),
    ] {
        let place = directory.join(name);
        fs::create_dir_all(&place)?;
        let name = program.get_name().to_owned();
        clap_complete::generate_to(shell, &mut program.clone(), name, place)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the finding")]
mod tests {
    use super::*;

    /// Returns what of a command, and of those below it, says nothing about itself.
    fn silent(command: &Command, path: &str, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        if command
            .get_about()
            .is_none_or(|about| about.to_string().len() < 10)
        {
            found.push(path.clone());
        }
        let arguments = command.get_arguments().filter(|it| !it.is_hide_set());
        for argument in arguments {
            if argument
                .get_help()
                .is_none_or(|help| help.to_string().len() < 4)
            {
                found.push(format!("{path} <{}>", argument.get_id()));
            }
        }
        let below = command.get_subcommands().filter(|it| !it.is_hide_set());
        below.for_each(|command| silent(command, &path, found));
    }

    #[test]
    fn every_command_and_every_option_says_what_it_is() {
        let mut found = Vec::new();
        for program in programs() {
            program.clone().debug_assert();
            silent(&program, "", &mut found);
        }
        assert!(found.is_empty(), "no help: {found:#?}");
    }

    /// Goal: packages hold pages for every command, the same on every machine. Method: made twice;
    /// every command that is shown is in them.
    #[test]
    fn pages_of_every_command_are_made_alike_twice() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let made = folders.each_ref().map(|folder| {
            for program in programs() {
                write(program, folder.path()).unwrap();
            }
            contents(folder.path())
        });
        assert!(made[0] == made[1], "deterministic");
        let page = |name: &str| {
            let found = made[0].iter().find(|(path, _)| path.ends_with(name));
            &found.unwrap_or_else(|| panic!("no {name}")).1
        };
        for program in programs() {
            let name = program.get_name().to_owned();
            let commands: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
            for command in &commands {
                page(&format!("man1/{name}-{command}.1"));
            }
            let completions = [
                format!("bash/{name}.bash"),
                format!("zsh/_{name}"),
                format!("fish/{name}.fish"),
            ];
            for file in completions {
                assert!(commands.iter().all(|it| page(&file).contains(it)), "{file}");
            }
            assert!(page(&format!("man1/{name}.1")).starts_with(".ie"));
        }
    }

    fn contents(folder: &Path) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(contents(&path));
            } else {
                let text = fs::read_to_string(&path).unwrap();
                let place: PathBuf = path
                    .iter()
                    .rev()
                    .take(2)
                    .collect::<Vec<_>>()
                    .iter()
                    .rev()
                    .collect();
                found.push((place, text));
            }
        }
        found.sort();
        found
    }
}
