//! The command line: one file per command. Results go to stdout, progress and errors to stderr.

mod audit;
mod collect;
mod data;
mod diff;
mod judge;
mod list;
mod lm;
mod merge;
mod oracle;
mod pgr;
mod preferences;
mod preflight;
mod report;
mod run;
mod selection;
mod site;
mod status;
mod steps;
mod submit;
mod verify;

use crate::error::{Error, Result};
use crate::experiment::Runnable;
use crate::report::site::Sources;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

const FIRST_STEPS: &str = "\
rewardlab: a laboratory for the theory of language-model alignment.

Three things to try first:
  rewardlab run                                     every reproduction in smoke: verdicts, figures, a report page
  rewardlab list                                    what there is, which paper item it is, how long it takes
  rewardlab run vanishing_gradients/theorem1 --profile paper --set length_max=3
                                                    one experiment at full size with one thing changed

`rewardlab --help` shows every command, `rewardlab COMMAND --help` its options.
";

#[derive(Debug, Parser)]
#[command(name = "rewardlab", version, about = "A laboratory for the theory of language-model alignment")]
#[command(
    after_help = "Exit codes: 0 all claims reproduced (or the command did what was asked), 1 a claim refuted (or a \
difference or a warning found), 3 none refuted but some inconclusive, 2 usage or input error, or training that failed, 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the experiments: id, paper item, claim, expected times
    List(list::Args),
    /// Run experiments, judge them, draw their figures and write the report
    Run(run::Args),
    /// Hand a run in shards to a cluster's scheduler, and go on with what a mishap left
    Submit(submit::Args),
    /// How far the runs in a folder have come: done, running, stopped
    Status(status::Args),
    /// Merge the shards of a run into one result
    Merge(merge::Args),
    /// Redraw figures, judge again and rewrite the report, from the CSV files alone; write a site of it
    Report(report::Args),
    /// Show the first row and column in which two results differ, experiment by experiment
    Diff(diff::Args),
    /// Run committed results afresh and compare them byte for byte
    Verify(verify::Args),
    /// How much of the gap between weak teachers and their ceilings students recover: a table of your own scores
    Pgr(pgr::Args),
    /// Before training: which prompts will have vanishing gradients, and how many groups will be dead
    Preflight(preflight::Args),
    /// Published language models: write completions, score texts, train
    Lm(lm::Args),
    /// Make training data (JSONL) of files that come in packages
    Data(data::Args),
    /// What a trainer's losses, advantages and KL terms should be: cases with answers, and your answers against them
    Oracle(oracle::Args),
    /// What the numbers in another trainer's log are in theory, under its options, and what in them is a sign of trouble
    Audit(audit::Args),
    /// Check a file of preferences and say what is in it
    Preferences(preferences::Args),
    /// Check a file of labelled steps and say what is in it
    Steps(steps::Args),
    /// Collect labelled steps in the world of modular arithmetic, generation by generation, into a file
    Collect(collect::Args),
}

/// The whole program, given its experiments and the text of their files; the binary's `main` is this call.
pub fn main(registry: &[Box<dyn Runnable>], sources: fn() -> Sources) -> ExitCode {
    let outcome = match Cli::parse().command {
        None => {
            out(FIRST_STEPS);
            Ok(0)
        }
        Some(Command::List(args)) => list::execute(&args, registry),
        Some(Command::Run(args)) => run::execute(&args, registry),
        Some(Command::Submit(args)) => submit::execute(&args, registry),
        Some(Command::Status(args)) => status::execute(&args, registry),
        Some(Command::Merge(args)) => merge::execute(&args, registry),
        Some(Command::Report(args)) => report::execute(&args, registry, sources),
        Some(Command::Diff(args)) => diff::execute(&args),
        Some(Command::Verify(args)) => verify::execute(&args, registry),
        Some(Command::Pgr(args)) => pgr::execute(&args),
        Some(Command::Preflight(args)) => preflight::execute(&args),
        Some(Command::Lm(args)) => lm::execute(&args),
        Some(Command::Data(args)) => data::execute(&args),
        Some(Command::Oracle(args)) => oracle::execute(&args),
        Some(Command::Audit(args)) => audit::execute(&args),
        Some(Command::Preferences(args)) => preferences::execute(&args),
        Some(Command::Steps(args)) => steps::execute(&args),
        Some(Command::Collect(args)) => collect::execute(&args),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            fail(&error);
            ExitCode::from(2)
        }
    }
}

/// Prints to stdout; a reader that went away (`| head`) is no error.
fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Prints one line to stderr.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn fail(error: &Error) {
    note(&format!("rewardlab: {}", error.to_string().replace('\n', " ")));
}

/// Fails before anything is computed if a file is there that would be replaced unasked, if what is there is none (a folder, a device, a pipe, a
/// link: renaming a finished file over it would put that in its place), or if its folder is not.
fn check_free(path: Option<&Path>, force: bool) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let shown = path.display();
    match path.symlink_metadata() {
        Ok(there) if !there.is_file() => {
            return Err(Error::Usage(format!("{shown}: no regular file; give another name")));
        }
        Ok(_) if !force => {
            return Err(Error::Usage(format!("{shown} is there already: give --force to replace it, or another name")));
        }
        _ => {}
    }
    match path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        None => Ok(()),
        Some(folder) => Err(Error::Usage(format!("{}: no such folder for {shown}", folder.display()))),
    }
}

/// Width of the terminal, or 120 where there is none.
fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).filter(|c| *c >= 60).unwrap_or(120)
}
