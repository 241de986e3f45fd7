//! Settings as flags: generated from the table, accepted by every command, listed by `--help` and not by `-h`.

use crate::config::settings;
use clap::{Arg, ArgMatches, Command, CommandFactory};

const HEADING: &str = "Settings (NAME-file names a file that holds the value)";

/// The command line with a flag for every setting.
pub(super) fn command<C: CommandFactory>() -> Command {
    let mut command = C::command();
    for setting in settings::all() {
        let about = format!(
            "{} [default: {}] [allowed: {}]",
            setting.doc,
            setting.default.text(),
            setting.allowed
        );
        let flag = Arg::new(id(setting.key))
            .long(setting.flag())
            .value_name("VALUE")
            .help(about)
            .help_heading(HEADING)
            .hide_short_help(true)
            .global(true);
        let by_file = Arg::new(id(&file_key(setting.key)))
            .long(format!("{}-file", setting.flag()))
            .value_name("FILE")
            .hide(true)
            .global(true);
        command = command.arg(flag).arg(by_file);
    }
    command
}

/// The settings that were given as flags, by their dotted name. They may stand before a command or after it.
pub(super) fn given(matches: &ArgMatches) -> Vec<(String, String)> {
    // What stands before a command is known to it too; what stands after it only to it.
    let mut innermost = matches;
    while let Some((_, below)) = innermost.subcommand() {
        innermost = below;
    }
    settings::all()
        .flat_map(|setting| [setting.key.to_owned(), file_key(setting.key)])
        .filter_map(|key| {
            let value = innermost.get_one::<String>(&id(&key))?.clone();
            Some((key, value))
        })
        .collect()
}

/// An argument's id, apart from the ids of the commands' own arguments.
fn id(key: &str) -> String {
    format!("setting {key}")
}

fn file_key(key: &str) -> String {
    format!("{key}_file")
}
