//! A program that does nothing, in place of an agent.

use fleet_devices_core::VmArchitecture;

/// Where Linux puts it.
const BASE: u64 = 0x40_0000;
/// The ELF header and one of a segment (elf(5)).
const HEADERS: u64 = 64 + 56;

/// For x86-64.
const X86_64: &[&[u8]] = &[
    &[0x83, 0x3c, 0x24, 0x01], // cmp dword [rsp], 1: the number of arguments
    &[0x7f, 0x09],             // jg to the end
    &[0xb8, 34, 0, 0, 0],      // mov eax, pause
    &[0x0f, 0x05],             // syscall
    &[0xeb, 0xf7],             // jmp to the pause
    &[0xb8, 60, 0, 0, 0],      // mov eax, exit
    &[0x31, 0xff, 0x0f, 0x05], // xor edi, edi; syscall
];

/// The same for aarch64, which waits by `ppoll` of nothing, without end.
const AARCH64: &[&[u8]] = &[
    &[0xe0, 0x03, 0x40, 0xf9], // ldr x0, [sp]
    &[0x1f, 0x04, 0x00, 0xf1], // cmp x0, 1
    &[0x0c, 0x01, 0x00, 0x54], // b.gt to the end
    &[0x00, 0x00, 0x80, 0xd2], // mov x0, 0
    &[0x01, 0x00, 0x80, 0xd2], // mov x1, 0
    &[0x02, 0x00, 0x80, 0xd2], // mov x2, 0
    &[0x03, 0x00, 0x80, 0xd2], // mov x3, 0
    &[0x28, 0x09, 0x80, 0xd2], // mov x8, ppoll
    &[0x01, 0x00, 0x00, 0xd4], // svc 0
    &[0xfa, 0xff, 0xff, 0x17], // b to the first mov
    &[0x00, 0x00, 0x80, 0xd2], // mov x0, 0
    &[0xa8, 0x0b, 0x80, 0xd2], // mov x8, exit
    &[0x01, 0x00, 0x00, 0xd4], // svc 0
];

/// With an argument it ends well at once, as an agent that checks its configuration; without one it waits for signals
/// until one ends it.
pub(crate) fn idle(architecture: VmArchitecture) -> Vec<u8> {
    let (code, machine) = match architecture {
        VmArchitecture::X86_64 => (X86_64, 0x3e),
        VmArchitecture::Aarch64 => (AARCH64, 0xb7),
    };
    let code = code.concat();
    let length = HEADERS + code.len() as u64;
    let mut program = Vec::new();
    // 64 bits, least significant byte first, a program, for that processor.
    program.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0");
    program.extend([machine, 0, 1, 0, 0, 0]);
    for word in [BASE + HEADERS, 64, 0] {
        program.extend(word.to_le_bytes());
    }
    // No flags; lengths of this header and of those of segments, of which there is one, and no sections.
    program.extend(b"\0\0\0\0\x40\0\x38\0\x01\0\x40\0\0\0\0\0");
    // The segment: all of the file, to read and to run.
    program.extend(b"\x01\0\0\0\x05\0\0\0");
    for word in [0, BASE, BASE, length, length, 0x1000] {
        program.extend(word.to_le_bytes());
    }
    program.extend(code);
    program
}

#[test]
fn the_idle_program_checks_and_idles() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Stdio};

    if !cfg!(target_arch = "x86_64") {
        super::support::say_skipped("the idle program", "it is for x86-64");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("idle");
    std::fs::write(&path, idle(VmArchitecture::X86_64)).expect("written");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("made runnable");
    // A fork of another test may still have it open for writing.
    let mut checked = None;
    super::support::until("it runs", std::time::Duration::from_secs(10), || {
        checked = Command::new(&path).arg("--check-config").status().ok();
        checked.is_some()
    });
    assert!(checked.expect("it runs").success());
    let mut idles = Command::new(&path)
        .stdin(Stdio::null())
        .spawn()
        .expect("it runs");
    let stat = format!("/proc/{}/syscall", idles.id());
    super::support::until("it waits", std::time::Duration::from_secs(10), || {
        std::fs::read_to_string(&stat).is_ok_and(|it| it.starts_with("34 "))
    });
    idles.kill().expect("ended");
    assert!(!idles.wait().expect("gone").success());
}
