use allod_primitives::{Did, DidId, H256, NetworkId};

use super::*;
use crate::control::PolicyTemplate;
use crate::testing::public;

fn did() -> Did {
    Did::new(
        NetworkId::from_genesis(&H256([0x22; 32])),
        DidId([0x11; 32]),
    )
}

fn sheet() -> RecoverySheet {
    let seed = std::array::from_fn(|index| u8::try_from(index).unwrap());
    RecoverySheet {
        did: did(),
        rank: 0,
        seed: NextSeed::from_bytes(seed),
    }
}

/// Reads a drawn code with a decoder that knows nothing of the encoder.
fn scan(drawn: &str, ink: Ink) -> String {
    const SCALE: usize = 4;
    let rows: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
    let width = rows[0].len();
    let is_dark = |x: usize, y: usize| {
        let inked = match rows[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        inked == (ink == Ink::Dark)
    };
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(width * SCALE, width * SCALE, |x, y| {
            if is_dark(x / SCALE, y / SCALE) {
                0
            } else {
                255
            }
        });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

#[test]
fn a_sheet_comes_back_from_its_words_however_they_are_typed() {
    let sheet = sheet();
    let words = sheet.words();
    assert_eq!(words.len(), WORDS);
    let numbered: Vec<String> = (1..)
        .zip(&words)
        .map(|(n, it)| format!("{n}. {it}"))
        .collect();
    let short: Vec<String> = words
        .iter()
        .map(|it| it.chars().take(4).collect())
        .collect();
    let check = sheet.check();
    for typed in [
        words.join(" "),
        words.join(", ").to_uppercase(),
        numbered.join("\n"),
        short.join("  "),
    ] {
        for check in [
            None,
            Some(check.as_str()),
            Some(&*format!(" {} ", check.to_lowercase())),
        ] {
            assert_eq!(
                RecoverySheet::from_words(&typed, did(), 0, check).unwrap(),
                sheet
            );
        }
    }
    let other_rank = RecoverySheet::from_words(&words.join(" "), did(), 1, Some(&check));
    assert_eq!(other_rank.unwrap_err(), SheetError::Check);
}

#[test]
fn a_word_that_is_wrong_is_named_and_the_nearest_proposed() {
    let sheet = sheet();
    let with = |number: usize, word: &str| {
        let mut words = sheet.words();
        words[number - 1] = word;
        RecoverySheet::from_words(&words.join(" "), did(), 0, None).unwrap_err()
    };
    for (typed, meant) in [
        ("abndon", Some("abandon")),
        ("amuont", Some("amount")),
        ("lettter", Some("letter")),
        ("qqqqqqqq", None),
    ] {
        let expected = SheetError::UnknownWord {
            number: 5,
            word: typed.into(),
            nearest: meant,
        };
        assert_eq!(with(5, typed), expected);
    }
    let words = sheet.words();
    let few = RecoverySheet::from_words(&words[..23].join(" "), did(), 0, None);
    assert_eq!(few.unwrap_err(), SheetError::WordCount { found: 23 });
    let text = with(5, "abndon").to_string();
    assert_eq!(
        text,
        "word 5, \"abndon\", is not on the list; perhaps \"abandon\""
    );
}

#[test]
fn swapped_words_are_found_by_checksum_or_check() {
    let sheet = sheet();
    let mut found = 0;
    for first in 0..WORDS - 1 {
        let mut words = sheet.words();
        words.swap(first, first + 1);
        let read = RecoverySheet::from_words(&words.join(" "), did(), 0, Some(&sheet.check()));
        match read {
            Err(SheetError::Checksum | SheetError::Check) => found += 1,
            Ok(same) => assert_eq!(same, sheet, "equal words were swapped"),
            Err(other) => panic!("{other}"),
        }
    }
    assert!(found >= WORDS - 2);
}

#[test]
fn a_qr_code_on_a_terminal_reads_back() {
    let sheet = sheet();
    for ink in [Ink::Light, Ink::Dark] {
        let text = scan(&sheet.qr(ink), ink);
        assert_eq!(text, *sheet.letter());
        assert_eq!(RecoverySheet::from_letter(&text).unwrap(), sheet);
    }
    assert!(sheet.qr(Ink::Dark).lines().next().unwrap().chars().count() <= 64);
    let wrong = sheet.letter().replace("RS1:A", "RS1:B");
    let error = RecoverySheet::from_letter(&wrong).unwrap_err();
    assert_eq!(error, SheetError::Letter(LetterError::Check));
    assert!(terminal_qr(&"A".repeat(5000), Ink::Dark).is_none());
}

#[test]
fn what_is_printed_has_all_that_is_needed_and_fits_a_page() {
    let sheet = sheet();
    let page = sheet.print();
    for (number, word) in (1..).zip(sheet.words()) {
        assert!(
            page.contains(&format!("{number:>2} {word}")),
            "{number} {word}"
        );
    }
    assert!(page.contains(&sheet.did.to_string()));
    assert!(page.contains(&format!("Check     {}", sheet.check())));
    assert!(page.lines().all(|line| line.chars().count() <= 100));
    assert_eq!(
        format!("{sheet:?}"),
        format!("RecoverySheet of {} rank 0", sheet.did)
    );
}

#[test]
fn a_sheet_knows_its_rank_on_the_ledger() {
    let sheet = sheet();
    let policy = PolicyTemplate::recoverable(public(1), &sheet.seed)
        .policy()
        .unwrap();
    assert_eq!(sheet.find(&policy.ranks[0]).unwrap().number, 0);
    let other = PolicyTemplate::simple(public(1)).policy().unwrap();
    assert!(sheet.find(&other.ranks[0]).is_none());
}

/// Goal: the page gives what the code does. Method: every vector is looked for on the page.
#[test]
fn the_vectors_of_the_specification_hold() {
    let page = include_str!("../../../spec/recovery-sheet.md");
    let sheet = sheet();
    let mut expected = Vec::new();
    for (rank, number) in [(0, 0), (0, 1), (0, 1000), (3, 0)] {
        let generation = sheet.seed.generation(rank, number);
        let (key, salt) = (generation.key.public(), generation.reveal().salt);
        let salt = crate::hex::encode(salt);
        let commitment = sheet.seed.commitment(rank, number);
        expected.push(format!(
            "| {rank} | {number} | `{key}` | `{salt}` | `{commitment}` |"
        ));
    }
    expected.push(sheet.did.to_string());
    expected.push(format!("check {}", sheet.check()));
    expected.extend(sheet.words().chunks(8).map(|it| it.join(" ")));
    expected.push(sheet.letter().to_string());
    let missing: Vec<&String> = expected.iter().filter(|it| !page.contains(*it)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
