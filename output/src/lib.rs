//! Text for people on standard output: tables as kubectl aligns them, ages as it shortens them, and nothing in them
//! that drives the terminal.

use std::io::{self, Write as _};

/// Standard output took no more.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub struct OutputError(#[from] pub io::Error);

/// Writes to standard output at once; `println!` would panic on a closed pipe.
///
/// # Errors
/// When it takes no more, be it that nobody reads.
pub fn emit(text: impl AsRef<[u8]>) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref())?;
    Ok(out.flush()?)
}

/// The same of what has more to do than to be read: it goes on though nobody reads any more.
///
/// # Errors
/// When standard output takes no more.
pub fn tell(text: impl AsRef<[u8]>) -> Result<(), OutputError> {
    match emit(text) {
        Err(OutputError(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        told => told,
    }
}

/// What others wrote must not drive the terminal: control characters become `?`.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Columns that keep their widths, so that rows printed later line up.
#[derive(Debug, Clone)]
pub struct Table {
    widths: Vec<usize>,
}

/// Blanks between columns, as kubectl has them.
const GAP: usize = 3;

impl Table {
    /// Widths for these rows; without a header, only the rows count.
    pub fn fitting<C: AsRef<str>>(header: &[&str], rows: &[Vec<C>]) -> Self {
        let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
        for row in rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.as_ref().chars().count());
            }
        }
        Self { widths }
    }

    /// The header's line; nothing if there is none.
    pub fn header(&self, header: &[&str]) -> String {
        if header.is_empty() {
            String::new()
        } else {
            self.line(header)
        }
    }

    /// One line, with its end; the last column is not padded.
    pub fn line<C: AsRef<str>>(&self, cells: &[C]) -> String {
        let mut line = String::new();
        for (i, cell) in cells.iter().enumerate() {
            let cell = printable(cell.as_ref());
            line.push_str(&cell);
            if i + 1 < cells.len() {
                let width = self.widths.get(i).copied().unwrap_or(0);
                let pad = width.saturating_sub(cell.chars().count()) + GAP;
                line.extend(std::iter::repeat_n(' ', pad));
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

/// A table with its header.
pub fn table<C: AsRef<str>>(header: &[&str], rows: &[Vec<C>]) -> String {
    let table = Table::fitting(header, rows);
    rows.iter()
        .fold(table.header(header), |text, row| text + &table.line(row))
}

/// So many seconds, shortened as kubectl does: `HumanDuration` of k8s.io/apimachinery/pkg/util/duration.
pub fn human_duration(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |large: i64, name: char, small: i64, small_name: char| match small {
        0 => format!("{large}{name}"),
        _ => format!("{large}{name}{small}{small_name}"),
    };
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1..=0 => "0s".to_owned(),
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => two(s / MINUTE, 'm', s % MINUTE, 's'),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => two(s / HOUR, 'h', s % HOUR / MINUTE, 'm'),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => two(s / DAY, 'd', s % DAY / HOUR, 'h'),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        s if s < 8 * YEAR => two(s / YEAR, 'y', s % YEAR / DAY, 'd'),
        s => format!("{}y", s / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(-5, "<invalid>")]
    #[case(0, "0s")]
    #[case(119, "119s")]
    #[case(120, "2m")]
    #[case(125, "2m5s")]
    #[case(600, "10m")]
    #[case(3 * 3600, "3h")]
    #[case(5 * 3600 + 120, "5h2m")]
    #[case(47 * 3600, "47h")]
    #[case(49 * 3600, "2d1h")]
    #[case(10 * 86400, "10d")]
    #[case(3 * 365 * 86400 + 86400, "3y1d")]
    fn ages_are_as_kubectl_shows_them(#[case] seconds: i64, #[case] expected: &str) {
        assert_eq!(human_duration(seconds), expected);
    }

    #[test]
    fn columns_line_up_and_escapes_do_no_harm() {
        let rows = [vec!["a", "long value", "x"], vec!["bbbbb", "\u{1b}[2J", ""]];
        insta::assert_snapshot!(table(&["NAME", "VALUE", "LAST"], &rows), @r#"
        NAME    VALUE        LAST
        a       long value   x
        bbbbb   ?[2J
        "#);
    }
}
