//! Recovery sheets: handing one over to its owner, and reading one back.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use allod_identity_client::keys::{Home, random_bytes};
use allod_identity_client::sheet::{RecoverySheet, SheetError};
use allod_primitives::Did;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::session::Session;

/// How many words are asked for, and how often each.
const WORDS_ASKED: usize = 2;
const ATTEMPTS: usize = 3;

/// Gives the sheet to its owner, before anything depends on it: into a private file, or onto the
/// terminal, where two of its words are asked back. Nothing here keeps it.
pub(crate) fn hand_over(
    session: &Session,
    sheet: &RecoverySheet,
    out: Option<&Path>,
) -> Result<(), Failure> {
    let text = sheet.print();
    if let Some(path) = out {
        Home::write_private(path, text.as_bytes(), false)?;
        let note = format!(
            "the recovery sheet is in {}: print it, then delete the file",
            path.display()
        );
        session.console.note(&note);
        return Ok(());
    }
    check_place(session, out)?;
    eprintln!("{}", text.as_str());
    let words = sheet.words();
    for _ in 0..WORDS_ASKED {
        let [random] = random_bytes::<1>()?;
        let index = usize::from(random) % words.len();
        ask_back(index, words.get(index).copied().unwrap_or_default())?;
    }
    Ok(())
}

/// Refuses where a sheet could not be handed over.
pub(crate) fn check_place(session: &Session, out: Option<&Path>) -> Result<(), Failure> {
    if let Some(path) = out {
        if path.exists() {
            let message = format!("{} exists already", path.display());
            return Err(Failure::usage(message, "name another file for the sheet"));
        }
        return Ok(());
    }
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if session.console.is_json() || !terminal {
        let hint = "say where with --sheet-out FILE";
        return Err(Failure::usage(
            "the recovery sheet has to go somewhere",
            hint,
        ));
    }
    Ok(())
}

fn ask_back(index: usize, word: &str) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        eprint!("write the sheet down, then type word {}: ", index + 1);
        let line = Zeroizing::new(line()?);
        let typed = line.trim().to_lowercase();
        if typed == word || (typed.len() >= 4 && word.starts_with(&typed)) {
            return Ok(());
        }
        eprintln!("that is not word {}", index + 1);
    }
    let hint = "type the command again; it makes another sheet";
    Err(Failure::usage(
        "the sheet was not written down, so nothing was changed",
        hint,
    ))
}

/// Reads the sheet of `did` from a file: as printed, as its words alone, or as the text of its QR
/// code. `-` stands for standard input, where a person is asked to type the words.
pub(crate) fn read(
    session: &Session,
    path: Option<&Path>,
    did: Did,
) -> Result<Option<RecoverySheet>, Failure> {
    let Some(path) = path else {
        return Ok(None);
    };
    let text = if path == Path::new("-") && io::stdin().is_terminal() {
        eprint!("the 24 words of the recovery sheet, on one line: ");
        Zeroizing::new(line()?)
    } else {
        let bytes = Zeroizing::new(session.read(path)?);
        Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
    };
    let sheet = parse(&text, did).map_err(|error| {
        let hint = match error {
            SheetError::Check => "this is the sheet of another identity, or was copied wrongly",
            _ => "compare with the paper; the first four letters of each word are enough",
        };
        Failure::negative("sheet.invalid", error.to_string(), hint)
    })?;
    if sheet.did != did {
        let message = format!("the sheet is that of {}", sheet.did);
        return Err(Failure::negative(
            "sheet.other",
            message,
            format!("the sheet of {did} is needed"),
        ));
    }
    Ok(Some(sheet))
}

fn parse(text: &str, did: Did) -> Result<RecoverySheet, SheetError> {
    if let Some(start) = text.trim_start().get(..6)
        && start.eq_ignore_ascii_case("ALLOD:")
    {
        return RecoverySheet::from_letter(text);
    }
    let Some((above, below)) = text.split_once("\nWORDS\n") else {
        return RecoverySheet::from_words(text, did, 0, None);
    };
    let field = |name: &str| {
        let mut lines = above.lines();
        lines.find_map(|line| line.strip_prefix(name).map(str::trim))
    };
    let rank = field("Rank ").and_then(|it| it.parse().ok()).unwrap_or(0);
    let of = field("Identity ").and_then(|it| it.parse().ok());
    let words = below.split("\n\n").next().unwrap_or_default();
    RecoverySheet::from_words(&in_order(words), of.unwrap_or(did), rank, field("Check "))
}

/// Returns numbered words in the order of their numbers: they are printed in columns.
fn in_order(text: &str) -> Zeroizing<String> {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let mut numbered: Vec<(usize, &str)> = Vec::new();
    for pair in tokens.chunks(2) {
        if let [number, word] = pair
            && let Ok(number) = number.parse()
        {
            numbered.push((number, word));
        }
    }
    numbered.sort_by_key(|(number, _)| *number);
    let words: Vec<&str> = numbered.iter().map(|(_, word)| *word).collect();
    Zeroizing::new(words.join(" "))
}

fn line() -> Result<String, Failure> {
    let mut line = String::new();
    let read = io::stderr()
        .flush()
        .and_then(|()| io::stdin().lock().read_line(&mut line));
    read.map_err(|error| Failure::unavailable("client.terminal", error.to_string()))?;
    Ok(line)
}
