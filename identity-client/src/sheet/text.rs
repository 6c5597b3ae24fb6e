//! The sheet as it is printed.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::{Ink, RecoverySheet};

const ROWS: usize = 6;
const COLUMNS: usize = 4;

const ABOVE: &str = "\
ALLOD RECOVERY SHEET

Keep this on paper, where nobody else looks, apart from your phone and computer.
Do not photograph it, do not type it into a web page, do not store it in a cloud.

WHAT IT IS FOR
  If your key is lost or stolen, this sheet takes your identity back at once.
  It stands above every other key, and above your guardians.
  One sheet serves as often as you need it.
  Whoever else reads it can take your identity.
";

const BELOW: &str = "\
HOW TO USE IT
  1. On a machine you trust, run: allod did recover sheet
  2. Type the words in their order. The first four letters of each are enough.
  3. Choose what the sheet should do: a new key, or stop a change that waits.
  4. Put the sheet back. It stays good.

IF SOMEBODY MAY HAVE READ IT
  Make a new sheet at once: allod did policy set NAME --new-sheet
  The new one puts this one out of force. Then burn this one.
";

pub(super) fn print(sheet: &RecoverySheet) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(8192));
    let words = sheet.words();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{ABOVE}\nIdentity  {}\nRank      {}\nVersion   1\nCheck     {}\n\nWORDS\n",
        sheet.did,
        sheet.rank,
        sheet.check()
    );
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let index = column * ROWS + row;
            let word = words.get(index).copied().unwrap_or_default();
            let _ = write!(out, "  {:>2} {word:<10}", index + 1);
        }
        let kept = out.trim_end().len();
        out.truncate(kept);
        out.push('\n');
    }
    let _ = write!(out, "\n{BELOW}\n{}", sheet.qr(Ink::Dark).as_str());
    out
}
