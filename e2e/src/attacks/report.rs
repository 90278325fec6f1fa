//! What came of the attacks.

use std::collections::BTreeMap;
use std::fmt;

use super::list::{Attack, Program, Test};

/// What came of a test, or of an attack; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The attack was refused, as it should be.
    Refused,
    /// The test ran on a machine that cannot run it; it printed why.
    Skipped,
    /// There is no such test, or it did not run.
    Missing,
    /// The attack succeeded, or was refused for another reason.
    Failed,
}

impl Outcome {
    /// For a table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::Missing => "MISSING",
            Self::Failed => "FAILED",
        }
    }
}

/// What came of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    outcomes: BTreeMap<(Program, String), Outcome>,
}

impl Report {
    /// The worst outcome of an attack's tests.
    pub fn of(&self, attack: &Attack) -> Outcome {
        let outcomes = attack.tests.iter().map(|test| self.of_test(test));
        outcomes.max().unwrap_or(Outcome::Missing)
    }

    /// The outcome of one test.
    pub fn of_test(&self, test: &Test) -> Outcome {
        let key = (test.program, test.name.to_owned());
        let outcome = self.outcomes.get(&key);
        outcome.copied().unwrap_or(Outcome::Missing)
    }

    /// Whether every attack was tried and refused, and there was one.
    pub fn all_refused(&self, attacks: &[Attack]) -> bool {
        let refused = |attack| self.of(attack) == Outcome::Refused;
        !attacks.is_empty() && attacks.iter().all(refused)
    }

    /// Notes a line that a program of tests printed; the outcome, if it was that of a test.
    pub(super) fn note(&mut self, program: Program, line: &str) -> Option<Outcome> {
        let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
        let outcome = match outcome.trim() {
            "ok" => Outcome::Refused,
            _ => Outcome::Failed,
        };
        self.outcomes.insert((program, name.to_owned()), outcome);
        Some(outcome)
    }

    /// Something was skipped in this program. Who skips does not say in which test it was.
    pub(super) fn note_skipped(&mut self, program: Program) {
        let of_program = |(other, _): &&(Program, String)| *other == program;
        let names: Vec<_> = self.outcomes.keys().filter(of_program).cloned().collect();
        for name in names {
            let outcome = self.outcomes.entry(name).or_insert(Outcome::Skipped);
            *outcome = (*outcome).max(Outcome::Skipped);
        }
    }

    /// A line for each attack, and their numbers.
    pub fn table<'a>(&'a self, attacks: &'a [Attack]) -> impl fmt::Display + 'a {
        Table {
            report: self,
            attacks,
        }
    }
}

struct Table<'a> {
    report: &'a Report,
    attacks: &'a [Attack],
}

impl Table<'_> {
    fn widest(&self, text: fn(&Attack) -> &str) -> usize {
        let widths = self.attacks.iter().map(|attack| text(attack).len());
        widths.max().unwrap_or(0)
    }

    fn count(&self, outcome: Outcome) -> usize {
        let outcomes = self.attacks.iter().map(|attack| self.report.of(attack));
        outcomes.filter(|other| *other == outcome).count()
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = (self.widest(|a| a.name), self.widest(|a| a.refused_by));
        for attack in self.attacks {
            let outcome = self.report.of(attack).as_str();
            let (name, by) = (attack.name, attack.refused_by);
            write!(f, "{name:first$}  {outcome}  {by:second$}  ")?;
            let mut tests = attack.tests.iter();
            if let Some(Test { program, name }) = tests.next() {
                write!(f, "{} {}: {name}", program.package, program.name)?;
            }
            for Test { name, .. } in tests {
                write!(f, ", {name}")?;
            }
            writeln!(f)?;
        }
        write!(f, "\n{} attacks", self.attacks.len())?;
        write!(f, ", {} refused", self.count(Outcome::Refused))?;
        for (outcome, said) in [
            (Outcome::Failed, "FAILED"),
            (Outcome::Missing, "without a test that ran"),
            (Outcome::Skipped, "skipped"),
        ] {
            match self.count(outcome) {
                0 => {}
                number => write!(f, ", {number} {said}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Program = Program {
        package: "p",
        name: "t",
        folder: "f",
    };
    const ATTACK: Attack = Attack {
        name: "theft",
        refused_by: "guard",
        tests: &[
            Test {
                program: HERE,
                name: "m::one",
            },
            Test {
                program: HERE,
                name: "m::two",
            },
        ],
    };

    fn report(printed: &str) -> Report {
        let mut report = Report::default();
        for line in printed.lines() {
            report.note(HERE, line);
        }
        report
    }

    const BOTH: &str = "running 2 tests\ntest m::one ... ok\ntest m::two ... ok\n";

    #[test]
    fn an_attack_is_refused_when_all_of_its_tests_passed() {
        let outcome = |printed: &str| report(printed).of(&ATTACK);
        assert_eq!(outcome(BOTH), Outcome::Refused);
        assert_eq!(outcome("test m::one ... ok\n"), Outcome::Missing);
        let one = "test m::one ... ok\ntest m::two ... FAILED\n";
        assert_eq!(outcome(one), Outcome::Failed);
        let ignored = "test m::one ... ok\ntest m::two ... ignored, slow\n";
        assert_eq!(outcome(ignored), Outcome::Failed);
        assert_eq!(outcome(""), Outcome::Missing);
    }

    #[test]
    fn what_was_skipped_counts_as_not_refused() {
        let mut report = report(BOTH);
        assert!(report.all_refused(&[ATTACK]));
        report.note_skipped(HERE);
        assert_eq!(report.of(&ATTACK), Outcome::Skipped);
        assert!(!report.all_refused(&[ATTACK]));
        assert!(!report.all_refused(&[]));
    }

    #[test]
    fn the_table_says_what_was_tried_what_refused_it_and_where() {
        let both = report(BOTH).table(&[ATTACK]).to_string();
        let line = "theft  refused  guard  p t: m::one, m::two\n\n1 attacks, 1 refused";
        assert_eq!(both, line);
        let none = report("").table(&[ATTACK]).to_string();
        assert!(
            none.ends_with("1 attacks, 0 refused, 1 without a test that ran"),
            "{none}"
        );
    }
}
