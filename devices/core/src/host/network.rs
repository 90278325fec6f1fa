use super::command::{Command, Output};
use super::ensured::{Change, EnsureError, Ensured};

/// The network `default` of a host's own libvirt, which has to run, now and after every boot. Guests have
/// their addresses from it, and reach out through the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibvirtNetwork;

/// As libvirt's own packages define it, where they do.
const DEFINITION: &str = "<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp>
  </ip>
</network>
";

impl LibvirtNetwork {
    fn change_by(words: &[&str]) -> Command {
        Command::change(
            "virsh",
            ["-c", "qemu:///system"].iter().chain(words).copied(),
        )
    }
}

impl Ensured for LibvirtNetwork {
    fn name(&self) -> String {
        "libvirt's network default".to_owned()
    }

    fn looks(&self) -> Vec<Command> {
        let words = ["-c", "qemu:///system", "net-list", "--all"];
        vec![Command::look("virsh", words).as_root()]
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let answer = answers.first().cloned().unwrap_or_default();
        let text = answer.text();
        // Name, State, Autostart, Persistent; the line below the head is dashes.
        let mut rows = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        if rows.next().and_then(|head| head.first().copied()) != Some("Name") {
            return Err(EnsureError::unexpected("virsh net-list", &answer));
        }
        let found = rows.find(|row| row.first() == Some(&"default"));
        let (active, starts) = match found.as_deref() {
            Some([_, state, starts, ..]) => (*state == "active", *starts == "yes"),
            _ => (false, false),
        };
        let mut commands = Vec::new();
        let mut difference = Vec::new();
        if found.is_none() {
            let define = Self::change_by(&["net-define", "/dev/stdin"]);
            commands.push(define.reading(DEFINITION));
            difference.push("+ default defined".to_owned());
        }
        if !starts {
            commands.push(Self::change_by(&["net-autostart", "default"]));
            difference.push("+ default starts with the host".to_owned());
        }
        if !active {
            commands.push(Self::change_by(&["net-start", "default"]));
            difference.push("+ default active".to_owned());
        }
        Ok((!commands.is_empty()).then_some(Change {
            difference,
            commands,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    const HEAD: &str = " Name      State      Autostart   Persistent\n---------------------------------------------\n";

    fn commands(rows: &str) -> Vec<String> {
        let answer = Output {
            output: format!("{HEAD}{rows}\n").into(),
            ..Output::default()
        };
        let change = LibvirtNetwork.change(&[answer]).expect("read");
        let commands = change.map(|change| change.commands).unwrap_or_default();
        let words = commands.iter().map(|it| it.arguments[2].clone());
        words.collect()
    }

    #[test]
    fn only_what_is_missing_is_done() {
        assert_eq!(commands(" default   active     yes         yes\n"), [""; 0]);
        assert_eq!(
            commands(" default   active     no          yes\n"),
            ["net-autostart"]
        );
        assert_eq!(
            commands(" default   inactive   yes         yes\n"),
            ["net-start"]
        );
        let all = ["net-define", "net-autostart", "net-start"];
        assert_eq!(commands(" other     active     yes         yes\n"), all);
        assert_eq!(commands(""), all);
    }

    #[test]
    fn what_is_no_list_is_not_taken_for_an_empty_one() {
        let error = LibvirtNetwork
            .change(&[Output::default()])
            .expect_err("no list");
        assert_eq!(error.reason(), "UnexpectedAnswer");
    }
}
