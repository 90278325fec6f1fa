//! Completion: scripts for shells, and answers for kubectl, which asks a plugin word by word.

use std::ffi::OsString;

use clap::Command;
use clap_complete::Shell;

use crate::output::{OutputError, emit};

/// The first argument of a question by kubectl; see `fleet completion --help`.
pub(crate) const HIDDEN: &str = "__complete";

/// cobra's `ShellCompDirectiveNoFileComp`: offer what is printed and no file names.
const NO_FILES: &str = ":4";
/// cobra's `ShellCompDirectiveDefault`: nothing is printed, offer file names.
const FILES: &str = ":0";

/// The completion script of a shell.
pub(crate) fn script(mut command: Command, shell: Shell) -> String {
    let mut script = vec![];
    clap_complete::generate(shell, &mut command, "fleet", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Prints what may follow `words`, in the protocol of cobra that kubectl speaks.
pub(crate) fn complete(command: &Command, words: &[OsString]) -> Result<(), OutputError> {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    emit(candidates(command, &words))
}

fn candidates(root: &Command, words: &[&str]) -> String {
    let (current, before) = words
        .split_last()
        .map_or(("", words), |(last, rest)| (*last, rest));
    let mut command = root.clone();
    command.build();
    let mut command = &command;
    for word in before {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let mut lines: Vec<String> = if current.starts_with('-') {
        let flags = command.get_arguments().filter(|arg| !arg.is_hide_set());
        flags
            .filter_map(|arg| Some((format!("--{}", arg.get_long()?), arg.get_help())))
            .filter(|(flag, _)| flag.starts_with(current))
            .map(|(flag, help)| line(&flag, help.map(ToString::to_string)))
            .collect()
    } else {
        command
            .get_subcommands()
            .filter(|sub| sub.get_name().starts_with(current) && !sub.is_hide_set())
            .map(|sub| line(sub.get_name(), sub.get_about().map(ToString::to_string)))
            .collect()
    };
    if lines.is_empty() {
        let values = command
            .get_positionals()
            .flat_map(clap::Arg::get_possible_values);
        lines.extend(
            values
                .filter(|value| value.get_name().starts_with(current))
                .map(|value| line(value.get_name(), value.get_help().map(ToString::to_string))),
        );
    }
    lines.push(if lines.is_empty() { FILES } else { NO_FILES }.to_owned());
    lines.join("\n") + "\n"
}

fn line(candidate: &str, help: Option<String>) -> String {
    help.map_or_else(
        || candidate.to_owned(),
        |help| format!("{candidate}\t{help}"),
    )
}
