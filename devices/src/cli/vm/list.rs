use std::time::{SystemTime, UNIX_EPOCH};

use fleet_output::{human_duration, tell};
use serde_json::{Value, json};

use super::Failure;
use super::args::{ListArgs, ListFormat};
use crate::vm::{VirtualMachineHost, VmInfo};

const HEADER: [&str; 9] = [
    "NAME", "STATE", "ARCH", "BY", "CPUS", "MEMORY", "DISK", "SSH", "AGE",
];

pub(super) async fn run<H: VirtualMachineHost>(host: &H, args: &ListArgs) -> Result<(), Failure> {
    let machines = host.list().await?;
    let text = match args.output {
        ListFormat::Table if machines.is_empty() => {
            eprintln!("there are no virtual machines; `fleet-devices vm create` makes one");
            return Ok(());
        }
        ListFormat::Table => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |now| now.as_secs());
            table(&machines, now.try_into().unwrap_or(i64::MAX))
        }
        ListFormat::Json => {
            let machines: Vec<_> = machines.iter().map(value).collect();
            format!("{:#}\n", Value::from(machines))
        }
    };
    Ok(tell(text)?)
}

fn value(machine: &VmInfo) -> Value {
    json!({
        "name": machine.name.as_str(),
        "state": machine.state.as_str(),
        "architecture": machine.architecture.uname(),
        "accelerator": machine.accelerator.map(short),
        "cpus": machine.vcpus,
        "memoryMib": machine.memory_mib,
        "diskGib": machine.disk_gib,
        "image": machine.image.as_ref().map(ToString::to_string),
        "ssh": machine.way.as_ref().map(|way| way.address.to_string()),
        "knownHosts": machine.way.as_ref().map(|way| way.known_hosts.to_string_lossy()),
        "forwards": machine.forwards.iter().map(|forward| json!({
            "host": forward.host,
            "guest": forward.guest,
        })).collect::<Vec<_>>(),
        "created": machine.created,
    })
}

const fn short(accelerator: fleet_devices_core::vm::Accelerator) -> &'static str {
    match accelerator {
        fleet_devices_core::vm::Accelerator::Kvm => "KVM",
        fleet_devices_core::vm::Accelerator::Tcg => "TCG",
    }
}

fn row(machine: &VmInfo, now: i64) -> Vec<String> {
    let none = || "-".to_owned();
    let way = machine.way.as_ref();
    let created = i64::try_from(machine.created).unwrap_or(i64::MAX);
    vec![
        machine.name.to_string(),
        machine.state.as_str().to_owned(),
        machine.architecture.to_string(),
        machine
            .accelerator
            .map_or_else(none, |it| short(it).to_owned()),
        machine.vcpus.to_string(),
        format!("{}Mi", machine.memory_mib),
        format!("{}Gi", machine.disk_gib),
        way.map_or_else(none, |way| way.address.to_string()),
        human_duration(now.saturating_sub(created)),
    ]
}

fn table(machines: &[VmInfo], now: i64) -> String {
    let rows: Vec<_> = machines.iter().map(|machine| row(machine, now)).collect();
    fleet_output::table(&HEADER, &rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use std::num::{NonZeroU16, NonZeroU32};

    use fleet_devices_core::VmArchitecture;
    use fleet_devices_core::vm::Accelerator;

    use super::*;
    use crate::vm::{VmState, VmWay};

    fn machine(name: &str, state: VmState) -> VmInfo {
        let running = state == VmState::Running;
        VmInfo {
            name: name.parse().expect("a name"),
            state,
            architecture: VmArchitecture::X86_64,
            accelerator: running.then_some(Accelerator::Tcg),
            vcpus: NonZeroU16::MIN,
            memory_mib: NonZeroU32::MIN,
            disk_gib: NonZeroU32::MIN,
            image: None,
            way: running.then(|| VmWay {
                address: "fleet-admin@127.0.0.1:2222".parse().expect("an address"),
                known_hosts: "/known".into(),
            }),
            forwards: vec![],
            created: 1000,
        }
    }

    #[test]
    fn machines_stand_in_columns() {
        let machines = [
            machine("a", VmState::Off),
            machine("pi-10", VmState::Running),
        ];
        let text = table(&machines, 1000 + 3 * 3600);
        let expected = "\
NAME    STATE     ARCH     BY    CPUS   MEMORY   DISK   SSH                          AGE
a       off       x86_64   -     1      1Mi      1Gi    -                            3h
pi-10   running   x86_64   TCG   1      1Mi      1Gi    fleet-admin@127.0.0.1:2222   3h
";
        assert_eq!(text, expected);
    }

    #[test]
    fn programs_get_values() {
        let value = value(&machine("pi", VmState::Halted("io-error".to_owned())));
        assert_eq!(value["state"], "io-error");
        assert_eq!(value["ssh"], Value::Null);
        assert_eq!(value["cpus"], 1);
    }
}
