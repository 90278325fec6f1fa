//! What a program is built for, as its first bytes say (elf(5)).

use crate::architecture::VmArchitecture;

const MAGIC: &[u8] = b"\x7fELF";
/// 64 bits, least significant byte first.
const CLASS_AND_ORDER: [u8; 2] = [2, 1];
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// A file that no device would run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It is none of Linux.
    #[error("it is no program for Linux (no ELF header)")]
    NoProgram,
    /// It is for a processor that devices do not have.
    #[error("it is for a processor that devices do not have (ELF machine {0})")]
    Machine(u16),
}

/// The processor that a program is for.
///
/// # Errors
/// When it is no program, or for none of ours.
pub fn built_for(program: &[u8]) -> Result<VmArchitecture, ProgramError> {
    let header = program.get(..20).ok_or(ProgramError::NoProgram)?;
    if !header.starts_with(MAGIC) || header.get(4..6) != Some(&CLASS_AND_ORDER) {
        return Err(ProgramError::NoProgram);
    }
    let machine = header.get(18..20).and_then(|bytes| bytes.try_into().ok());
    match u16::from_le_bytes(machine.ok_or(ProgramError::NoProgram)?) {
        X86_64 => Ok(VmArchitecture::X86_64),
        AARCH64 => Ok(VmArchitecture::Aarch64),
        other => Err(ProgramError::Machine(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(machine: u16) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..4].copy_from_slice(MAGIC);
        header[4..6].copy_from_slice(&CLASS_AND_ORDER);
        header[18..20].copy_from_slice(&machine.to_le_bytes());
        header
    }

    #[test]
    fn programs_say_what_they_are_for() {
        assert_eq!(built_for(&header(62)), Ok(VmArchitecture::X86_64));
        assert_eq!(built_for(&header(183)), Ok(VmArchitecture::Aarch64));
        assert_eq!(built_for(&header(243)), Err(ProgramError::Machine(243)));
        assert_eq!(built_for(b"#!/bin/sh"), Err(ProgramError::NoProgram));
    }
}
