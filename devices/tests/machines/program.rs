//! A program that does nothing, in place of an agent.

/// Where Linux puts it.
const BASE: u64 = 0x40_0000;
/// The ELF header and one of a segment (elf(5)).
const HEADERS: u64 = 64 + 56;

/// For x86-64: with an argument it ends well at once, as an agent that checks its configuration; without one it
/// waits for signals until one ends it.
pub(crate) fn idle() -> Vec<u8> {
    let code: &[&[u8]] = &[
        &[0x83, 0x3c, 0x24, 0x01], // cmp dword [rsp], 1: the number of arguments
        &[0x7f, 0x09],             // jg to the end
        &[0xb8, 34, 0, 0, 0],      // mov eax, pause
        &[0x0f, 0x05],             // syscall
        &[0xeb, 0xf7],             // jmp to the pause
        &[0xb8, 60, 0, 0, 0],      // mov eax, exit
        &[0x31, 0xff, 0x0f, 0x05], // xor edi, edi; syscall
    ];
    let code = code.concat();
    let length = HEADERS + code.len() as u64;
    let mut program = Vec::new();
    // 64 bits, least significant byte first, a program, x86-64.
    program.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0");
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
    std::fs::write(&path, idle()).expect("written");
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
