//! What `virsh` says, as values.

use std::net::Ipv4Addr;

use roxmltree::Document;

use super::name::VmName;
use super::path::HostPath;
use super::xml::escape;

/// How a domain is, by `virsh domstate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainState {
    /// It is off.
    Off,
    /// It runs.
    Running,
    /// It is on and does not go on, for this reason.
    Halted(String),
}

impl DomainState {
    /// By the answer, in English.
    pub fn of(answer: &str) -> Self {
        match answer.trim() {
            "shut off" | "crashed" => Self::Off,
            // On its way down it still runs; nobody waits for more than that.
            "running" | "idle" | "in shutdown" => Self::Running,
            other => Self::Halted(other.to_owned()),
        }
    }
}

/// The first address that a guest has outside of itself, by the table of `virsh domifaddr`.
pub fn address_of(table: &str) -> Option<Ipv4Addr> {
    let mut rows = table.lines().map(|line| line.split_whitespace());
    rows.find_map(|mut row| {
        let address = row.find(|word| *word == "ipv4").and_then(|_| row.next())?;
        let address: Ipv4Addr = address.split('/').next()?.parse().ok()?;
        (!address.is_loopback()).then_some(address)
    })
}

/// What runs a domain's instructions, by its document: the type that libvirt has for it.
pub fn domain_type(document: &str) -> Option<String> {
    let document = Document::parse(document).ok()?;
    Some(document.root_element().attribute("type")?.to_owned())
}

/// Lines that only one of two documents has, `-` before what is there and `+` before what should be: for
/// people, who changed the one by hand.
pub fn document_difference(there: &str, should: &str) -> Vec<String> {
    let only = |of: &str, other: &str, sign: char| {
        let other: Vec<_> = other.lines().map(str::trim).collect();
        let lines = of.lines().map(str::trim);
        let lines = lines.filter(move |line| !other.contains(line));
        lines
            .map(|line| format!("{sign} {line}"))
            .collect::<Vec<_>>()
    };
    [only(there, should, '-'), only(should, there, '+')].concat()
}

/// A storage pool: a folder that libvirt knows, and that is a user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryPool {
    /// Its name, which has the rule of machines' names.
    pub name: VmName,
    /// The folder.
    pub target: HostPath,
    /// The user's id.
    pub owner: u32,
    /// The id of the user's group.
    pub group: u32,
    /// Who may enter it: `0700`, or `0711` where QEMU is somebody else.
    pub mode: &'static str,
}

impl DirectoryPool {
    /// The document that libvirt is given.
    pub fn to_xml(&self) -> String {
        let Self {
            name,
            target,
            owner,
            group,
            mode,
        } = self;
        let target = escape(target.as_str());
        format!(
            "<pool type='dir'><name>{name}</name><target><path>{target}</path><permissions>\
             <mode>{mode}</mode><owner>{owner}</owner><group>{group}</group></permissions></target></pool>\n"
        )
    }

    /// The folder of a pool that is there, by `virsh pool-dumpxml`.
    pub fn target_of(document: &str) -> Option<HostPath> {
        let document = Document::parse(document).ok()?;
        let mut elements = document.root_element().descendants();
        let path = elements.find(|it| {
            let around = it
                .parent()
                .is_some_and(|parent| parent.has_tag_name("target"));
            around && it.has_tag_name("path")
        })?;
        path.text()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    #[test]
    fn states_are_read() {
        assert_eq!(DomainState::of("shut off\n\n"), DomainState::Off);
        assert_eq!(DomainState::of("running\n\n"), DomainState::Running);
        let paused = DomainState::Halted("paused".to_owned());
        assert_eq!(DomainState::of("paused\n"), paused);
    }

    #[test]
    fn the_first_address_outside_is_taken() {
        let table = " Name       MAC address          Protocol     Address
-------------------------------------------------------------------------------
 lo         00:00:00:00:00:00    ipv4         127.0.0.1/8
 -          -                    ipv6         ::1/128
 enp1s0     52:54:00:6b:3c:86    ipv4         192.168.122.66/24
";
        assert_eq!(address_of(table), Some(Ipv4Addr::new(192, 168, 122, 66)));
        assert_eq!(address_of(""), None);
        assert_eq!(address_of("x ipv4 y/z"), None);
    }

    #[test]
    fn what_somebody_changed_is_shown() {
        let (there, should) = ("<a>\n  <b>1</b>\n</a>", "<a>\n <b>2</b>\n</a>\n");
        assert_eq!(
            document_difference(there, should),
            ["- <b>1</b>", "+ <b>2</b>"]
        );
        assert_eq!(document_difference(there, there), [""; 0]);
        assert_eq!(domain_type("<domain type='kvm'/>").as_deref(), Some("kvm"));
    }

    #[test]
    fn the_folder_of_a_pool_comes_back() {
        let pool = DirectoryPool {
            name: "fleet".parse().expect("a name"),
            target: "/srv/a & b".parse().expect("a path"),
            owner: 1000,
            group: 1000,
            mode: "0711",
        };
        assert_eq!(DirectoryPool::target_of(&pool.to_xml()), Some(pool.target));
        assert_eq!(DirectoryPool::target_of("<pool/>"), None);
    }
}
