//! What an ELF header says about a program: whom it runs on, and with what.

use crate::oci::Architecture;

/// Where the fields of a 64-bit header lie (System V ABI, "Object Files").
const CLASS: usize = 4;
const ENCODING: usize = 5;
const MACHINE: usize = 18;
const PROGRAM_HEADERS: usize = 32;
const PROGRAM_HEADER_SIZE: usize = 54;
const PROGRAM_HEADER_COUNT: usize = 56;
/// Type of the program header that names the dynamic loader.
const INTERPRETER: u16 = 3;

/// What matters to an image.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elf {
    pub(crate) architecture: Architecture,
    /// Whether the kernel needs a dynamic loader to start it.
    pub(crate) dynamic: bool,
}

impl Elf {
    /// None where the bytes are no 64-bit little-endian program for an architecture of ours.
    pub(crate) fn read(program: &[u8]) -> Option<Self> {
        let is_64_bit_little = program.get(CLASS) == Some(&2) && program.get(ENCODING) == Some(&1);
        if !program.starts_with(b"\x7fELF") || !is_64_bit_little {
            return None;
        }
        let architecture = match half(program, MACHINE)? {
            62 => Architecture::Amd64,
            183 => Architecture::Arm64,
            _ => return None,
        };
        let first = usize::try_from(long(program, PROGRAM_HEADERS)?).ok()?;
        let size = usize::from(half(program, PROGRAM_HEADER_SIZE)?);
        let mut dynamic = false;
        for index in 0..usize::from(half(program, PROGRAM_HEADER_COUNT)?) {
            // The type has four bytes; those of interest fit into the lower two.
            let at = first.checked_add(index.checked_mul(size)?)?;
            dynamic |= half(program, at)? == INTERPRETER && half(program, at + 2)? == 0;
        }
        Some(Self {
            architecture,
            dynamic,
        })
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    bytes.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with one program header of type `kind`.
    fn program(machine: u16, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[MACHINE..][..2].copy_from_slice(&machine.to_le_bytes());
        bytes[PROGRAM_HEADERS] = 64;
        bytes[PROGRAM_HEADER_SIZE] = 56;
        bytes[PROGRAM_HEADER_COUNT] = 1;
        bytes[64..66].copy_from_slice(&kind.to_le_bytes());
        bytes
    }

    #[test]
    fn machine_and_loader_are_read() {
        let elf = |machine, kind| Elf::read(&program(machine, kind)).unwrap();
        assert_eq!(elf(62, 1).architecture, Architecture::Amd64);
        assert_eq!(elf(183, 1).architecture, Architecture::Arm64);
        assert!(elf(62, INTERPRETER).dynamic);
        assert!(!elf(62, 1).dynamic);
    }

    #[test]
    fn what_is_cut_or_something_else_is_no_program() {
        let whole = program(62, 1);
        for length in 0..66 {
            assert_eq!(Elf::read(&whole[..length]), None, "{length}");
        }
        assert_eq!(Elf::read(&program(3, 1)), None);
        assert_eq!(Elf::read(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn this_very_program_is_one() {
        let path = std::env::current_exe().unwrap();
        let elf = Elf::read(&std::fs::read(path).unwrap());
        assert_eq!(elf.map(|elf| elf.architecture), Architecture::here());
    }
}
