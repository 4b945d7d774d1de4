//! Slurm: the two scripts, and `sbatch`.

use super::{Resources, Submission, folder};
use crate::error::{Error, Result};
use crate::record::write_atomically;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const WORK: &str = "work.sh";
const THEN: &str = "then.sh";

/// `work.sh`, a task of the array, and `then.sh`, the job behind it.
pub(super) fn write_scripts(submission: &Submission, target: &Path) -> Result<()> {
    let folder = folder(target);
    for name in ["logs", "codes"] {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).map_err(|e| Error::io(&path, e))?;
    }
    write_atomically(&folder.join(WORK), work(submission, target).as_bytes())?;
    write_atomically(&folder.join(THEN), then(submission, target).as_bytes())
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A path in which Slurm finds nothing to replace.
fn pattern(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

fn directives(submission: &Submission, log: &str, all: bool) -> String {
    let from = &submission.from;
    let Resources { cpus, gpus, mem, time, partition, account, options } = &submission.resources;
    let mut text = String::from("#!/bin/bash\n");
    let mut add = |directive: String| {
        let _ = writeln!(text, "#SBATCH {directive}");
    };
    add("--job-name=rewardlab".into());
    // Slurm takes a name in double quotes whole
    add(format!("--output=\"{log}\""));
    add(format!("--chdir=\"{from}\""));
    add("--open-mode=append".into());
    // after a node failed or was taken away the same task starts again, and goes on
    add("--requeue".into());
    add("--nodes=1 --ntasks=1".into());
    if all {
        add(format!("--cpus-per-task={cpus}"));
        gpus.iter().for_each(|n| add(format!("--gpus={n}")));
        mem.iter().for_each(|m| add(format!("--mem={m}")));
        time.iter().for_each(|t| add(format!("--time={t}")));
    }
    partition.iter().for_each(|p| add(format!("--partition={p}")));
    account.iter().for_each(|a| add(format!("--account={a}")));
    options.iter().for_each(|o| add(o.clone()));
    text
}

fn work(submission: &Submission, target: &Path) -> String {
    let folder = folder(target);
    let log = pattern(&folder.join("logs")) + "/%a.log";
    let code = quoted(&folder.join("codes").display().to_string());
    let mut text = directives(submission, &log, true);
    let words: Vec<String> = submission.arguments.iter().map(|a| quoted(a)).collect();
    let (program, out) = (quoted(&submission.program), quoted(&target.display().to_string()));
    let (words, shards) = (words.join(" "), submission.shards);
    let _ = write!(
        text,
        "
code={code}/\"$SLURM_ARRAY_TASK_ID\"
rm -f \"$code\"
{program} run {words} \\
  --out {out} --threads \"${{SLURM_CPUS_PER_TASK:-1}}\" --shard \"$SLURM_ARRAY_TASK_ID/{shards}\" --resume
ended=$?
echo $ended > \"$code\"
exit $ended
"
    );
    text
}

fn then(submission: &Submission, target: &Path) -> String {
    let log = pattern(&folder(target).join("logs")) + "/then.log";
    let text = directives(submission, &log, false);
    format!("{text}\nexec {} submit resume {}\n", quoted(&submission.program), quoted(&target.display().to_string()))
}

/// 1-3,7.
pub(super) fn ranges(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [one] => one.to_string(),
        run => format!("{}-{}", run[0], run[run.len() - 1]),
    });
    runs.collect::<Vec<_>>().join(",")
}

fn array(submission: &Submission, shards: &[usize]) -> String {
    let most = submission.max_running.map_or_else(String::new, |m| format!("%{m}"));
    format!("--array={}{most}", ranges(shards))
}

/// What would be submitted.
pub(super) fn commands(submission: &Submission, target: &Path, shards: &[usize]) -> String {
    let script = |name: &str| quoted(&folder(target).join(name).display().to_string());
    format!(
        "array=$(sbatch --parsable {} {})\nsbatch --dependency=\"afterany:${{array%%;*}}\" {}\n",
        array(submission, shards),
        script(WORK),
        script(THEN)
    )
}

/// The array's job.
pub(super) fn submit_array(submission: &Submission, target: &Path, shards: &[usize], pause: u64) -> Result<String> {
    let mut arguments = vec![array(submission, shards)];
    if pause > 0 {
        arguments.push(format!("--begin=now+{pause}"));
    }
    sbatch(&arguments, &folder(target).join(WORK))
}

/// The job behind it, which starts however the tasks ended.
pub(super) fn submit_then(target: &Path, array: &str) -> Result<String> {
    sbatch(&[format!("--dependency=afterany:{array}")], &folder(target).join(THEN))
}

fn sbatch(arguments: &[String], script: &Path) -> Result<String> {
    let ran = Command::new("sbatch").arg("--parsable").args(arguments).arg(script).output();
    let ran = ran.map_err(|e| {
        Error::Usage(format!("sbatch: {e}: is this a machine that submits to Slurm? --dry-run writes the scripts only"))
    })?;
    let line = |bytes: &[u8]| String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ");
    let said = line(&ran.stdout);
    // job;cluster
    let job = said.split(';').next().unwrap_or_default();
    if ran.status.success() && !job.is_empty() {
        return Ok(job.to_owned());
    }
    let shown = script.display();
    Err(Error::Usage(format!("sbatch {} {shown}: {}", arguments.join(" "), line(&ran.stderr))))
}

/// Whether a job waits or runs; `None` where there is nobody to ask.
pub(in crate::cli) fn is_queued(job: &str) -> Option<bool> {
    let asked = Command::new("squeue").args(["--noheader", "--jobs", job]).output().ok()?;
    let unknown = String::from_utf8_lossy(&asked.stderr).contains("Invalid job id");
    (asked.status.success() || unknown).then(|| !asked.stdout.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_ranges() {
        assert_eq!(quoted("a/b-1.x"), "a/b-1.x");
        assert_eq!(quoted("ladder=[{a=1}]"), "'ladder=[{a=1}]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1-3,7,9-10");
    }
}
