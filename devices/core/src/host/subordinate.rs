use super::command::{Command, Output};
use super::ensured::{Change, EnsureError, Ensured};

/// What containers of an ordinary user need at least: all ids that an image may use.
const NEEDED: u64 = 65_536;

/// Ids from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u64,
    count: u64,
}

impl Range {
    const fn end(self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

/// No ids are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file} has no room for {count} more ids between {key}_MIN and {key}_MAX of /etc/login.defs; raise the latter"
)]
pub struct SubordinateError {
    /// Where they are given away.
    pub file: &'static str,
    /// How the limits are called.
    pub key: &'static str,
    /// How many were wanted.
    pub count: u64,
}

/// One of the two kinds.
#[derive(Debug, Clone, Copy)]
struct Kind {
    file: &'static str,
    key: &'static str,
    option: &'static str,
}

const USERS: Kind = Kind {
    file: "/etc/subuid",
    key: "SUB_UID",
    option: "--add-subuids",
};
const GROUPS: Kind = Kind {
    file: "/etc/subgid",
    key: "SUB_GID",
    option: "--add-subgids",
};

/// Subordinate ids that a user has to have, for its containers.
///
/// `useradd` gives none to system users, and its option to do so is too new for some distributions; so they are
/// taken as `useradd` takes them: the lowest free range of the size and between the limits that
/// `/etc/login.defs` says (login.defs(5), `SUB_UID_*`), so that nobody's overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subordinates {
    /// Whose.
    pub user: String,
}

impl Ensured for Subordinates {
    fn name(&self) -> String {
        format!("subordinate ids of {}", self.user)
    }

    fn looks(&self) -> Vec<Command> {
        let files = ["/etc/login.defs", USERS.file, GROUPS.file];
        let look = |file| Command::look("cat", [file]).accepting(&[0, 1]);
        files.map(look).into()
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let [defaults, users, groups] = answers else {
            return Err(EnsureError::unexpected("cat", &Output::default()));
        };
        let (mut difference, mut commands) = (Vec::new(), Vec::new());
        for (kind, given) in [(USERS, users), (GROUPS, groups)] {
            let given = given.text();
            if has_enough(&given, &self.user) {
                continue;
            }
            let range = free(kind, &defaults.text(), &given)?;
            let (first, last) = (range.first, range.end().saturating_sub(1));
            difference.push(format!(
                "+ {} {}:{first}:{}",
                kind.file, self.user, range.count
            ));
            let ids = format!("{first}-{last}");
            commands.push(Command::change("usermod", [kind.option, &ids, &self.user]));
        }
        Ok((!commands.is_empty()).then_some(Change {
            difference,
            commands,
        }))
    }
}

/// The range that `useradd` would give next, by `/etc/login.defs` and what has been given away.
fn free(kind: Kind, defaults: &str, given: &str) -> Result<Range, SubordinateError> {
    // The defaults of shadow's own.
    let limit = |name: &str, default| limit(defaults, kind.key, name).unwrap_or(default);
    let (low, high) = (limit("MIN", 100_000), limit("MAX", 600_100_000));
    let count = limit("COUNT", NEEDED).max(NEEDED);
    let mut taken: Vec<_> = entries(given).map(|(_, range)| range).collect();
    taken.sort_by_key(|range| range.first);
    let mut first = low;
    for range in taken {
        if range.first >= first.saturating_add(count) {
            break;
        }
        first = first.max(range.end());
    }
    let fits = first.checked_add(count).is_some_and(|end| end - 1 <= high);
    let (file, key) = (kind.file, kind.key);
    fits.then_some(Range { first, count })
        .ok_or(SubordinateError { file, key, count })
}

fn limit(defaults: &str, key: &str, name: &str) -> Option<u64> {
    let wanted = format!("{key}_{name}");
    let mut lines = defaults.lines().map(str::split_whitespace);
    lines.find_map(|mut words| {
        let found = words.next() == Some(wanted.as_str());
        found.then(|| words.next()?.parse().ok()).flatten()
    })
}

/// `user:first:count`; other lines give nothing away.
fn entries(given: &str) -> impl Iterator<Item = (&str, Range)> {
    given.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let user = fields.next()?;
        let first = fields.next()?.parse().ok()?;
        let count = fields.next()?.parse().ok()?;
        Some((user, Range { first, count }))
    })
}

fn has_enough(given: &str, user: &str) -> bool {
    entries(given).any(|(whose, range)| whose == user && range.count >= NEEDED)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;
    use proptest::prelude::*;

    fn answer(text: &str) -> Output {
        Output {
            output: text.into(),
            ..Output::default()
        }
    }

    #[test]
    fn a_user_without_ids_gets_the_lowest_free_ones() {
        let user = Subordinates {
            user: "fleet-agent".to_owned(),
        };
        let given = "alice:100000:65536\nbob:231072:65536\n";
        let found = [answer(""), answer(given), answer("")];
        let change = user.change(&found).expect("read").expect("a change");
        let lines: Vec<_> = change.commands.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "usermod --add-subuids 165536-231071 fleet-agent",
                "usermod --add-subgids 100000-165535 fleet-agent",
            ]
        );
        let mine = "fleet-agent:165536:65536\n";
        let found = [answer(""), answer(mine), answer(mine)];
        assert_eq!(user.change(&found), Ok(None));
    }

    #[test]
    fn the_limits_are_those_of_the_host() {
        let defaults = "# SUB_UID_MIN 5\nSUB_UID_MIN\t\t500000\nSUB_UID_MAX 600000\n";
        let range = free(USERS, defaults, "").expect("room");
        assert_eq!((range.first, range.count), (500_000, 65_536));
        let full = free(USERS, defaults, "a:500000:65536\n").expect_err("full");
        assert!(full.to_string().contains("SUB_UID_MAX"));
    }

    proptest! {
        #[test]
        fn nobodys_ids_overlap(given in prop::collection::vec((0_u64..2_000_000, 1_u64..200_000), 0..12)) {
            let lines: Vec<_> = given.iter().map(|(first, count)| format!("u:{first}:{count}")).collect();
            let range = free(USERS, "", &lines.join("\n")).expect("room");
            for (first, count) in given {
                prop_assert!(range.end() <= first || first + count <= range.first);
            }
        }
    }
}
