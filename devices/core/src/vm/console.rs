//! What a machine says on its console, for people.

/// The last lines of a console that hold something, without what drives terminals: firmware and boot loaders
/// clear the screen, move the cursor and choose colours, and a terminal that shows what they said must not do
/// the same.
pub fn tail(said: &[u8], lines: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(said);
    let plain = without_escapes(&text);
    let all = plain.split(['\n', '\r']).map(str::trim_end);
    let all: Vec<_> = all.filter(|line| !line.trim().is_empty()).collect();
    let last = all.len().saturating_sub(lines);
    all.iter().skip(last).map(|it| (*it).to_owned()).collect()
}

/// ECMA-48: after an escape a `[` begins a sequence that a byte from `@` to `~` ends; any other character is
/// all of it.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => match rest.next() {
                // A jump to another place is the end of a line for who reads without a screen.
                Some('[') if rest.by_ref().find(|c| ('@'..='~').contains(c)) == Some('H') => {
                    plain.push('\n');
                }
                _ => {}
            },
            '\n' | '\r' => plain.push(c),
            '\t' => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_drives_terminals_is_left_out() {
        let said = b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: starting\r\n\r\n\x1b[0m[  OK  ] Started \x1b[0;1;39mssh\x1b[0m.\r\n\x07login: ";
        assert_eq!(
            tail(said, 9),
            ["BdsDxe: starting", "[  OK  ] Started ssh.", "login:"]
        );
        assert_eq!(tail(said, 1), ["login:"]);
        assert_eq!(tail(b"", 3), [""; 0]);
        assert_eq!(tail(b"\x1b[", 3), [""; 0]);
    }

    proptest! {
        #[test]
        fn nothing_drives_a_terminal(said in any::<Vec<u8>>()) {
            let lines = tail(&said, usize::MAX);
            prop_assert!(lines.iter().all(|line| !line.chars().any(char::is_control)));
        }
    }
}
