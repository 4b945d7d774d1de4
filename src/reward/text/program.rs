//! A reward that any program computes: JSONL on its standard input, a score per line on its standard output.

use super::Written;
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What of a failed program's standard error is told.
const TOLD: u64 = 4096;

/// A command, run once for every call with all completions: `{"prompt", "completion", …the prompt's other fields}` on each line in, a
/// number or `{"reward": number}` on each line out.
#[derive(Clone, Debug)]
pub struct Program {
    command: String,
    timeout: Duration,
}

impl Program {
    /// A command line for the shell, and how long a call may take.
    pub fn new(command: &str, timeout: Duration) -> Self {
        Self { command: command.into(), timeout }
    }

    fn wrong(&self, message: impl Into<String>) -> Error {
        Error::content(&self.command, "reward program", message)
    }

    /// The reward of each completion.
    ///
    /// # Errors
    /// A program that cannot be started, ends with another code than 0, takes longer than the time-out (it is killed), writes fewer or
    /// more lines than it was given, or a line that is not a finite number.
    pub(super) fn score(&self, written: &[Written]) -> Result<Vec<f64>> {
        let deadline = Instant::now() + self.timeout;
        let mut shell = Command::new("sh");
        // a group of its own, so that what the shell started ends with it
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut child = shell
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| self.wrong(format!("cannot be started: {e}")))?;
        let result = self.talk(&mut child, written, deadline);
        if result.is_err() {
            kill(&mut child);
        }
        let _ = child.wait();
        result
    }

    fn talk(&self, child: &mut Child, written: &[Written], deadline: Instant) -> Result<Vec<f64>> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else { return Err(self.wrong("has no pipes")) };
        let mut lines = String::new();
        for w in written {
            let mut line = w.fields.clone();
            line.insert("prompt".into(), json!(w.prompt));
            line.insert("completion".into(), json!(w.completion));
            lines.push_str(&Value::Object(line).to_string());
            lines.push('\n');
        }
        // threads, since a pipe that is full would wait for ever; each ends when the program does
        std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
        let (sender, receiver) = channel();
        std::thread::spawn(move || BufReader::new(stdout).lines().try_for_each(|line| sender.send(line)));
        let (error_sender, error_receiver) = channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.take(TOLD).read_to_end(&mut text);
            error_sender.send(String::from_utf8_lossy(&text).trim().to_owned())
        });
        let mut rewards = Vec::with_capacity(written.len());
        loop {
            match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Ok(line)) if line.trim().is_empty() => {}
                Ok(Ok(line)) => rewards.push(self.number(&line, rewards.len() + 1)?),
                Ok(Err(e)) => return Err(self.wrong(format!("wrote what is no text: {e}"))),
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = self.timeout.as_secs_f64();
                    return Err(self.wrong(format!("was not done after {seconds} s, {} lines written", rewards.len())));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        while child.try_wait().map_err(|e| self.wrong(e.to_string()))?.is_none() {
            if Instant::now() > deadline {
                return Err(self.wrong("closed its output and did not end in time"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let status = child.wait().map_err(|e| self.wrong(e.to_string()))?;
        if !status.success() {
            let said = error_receiver.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
            let last = said.lines().last().unwrap_or("nothing").to_owned();
            return Err(self.wrong(format!("ended with {status}; its last words: {last}")));
        }
        if rewards.len() != written.len() {
            let message = format!("wrote {} lines for {} completions", rewards.len(), written.len());
            return Err(self.wrong(message));
        }
        Ok(rewards)
    }

    fn number(&self, line: &str, number: usize) -> Result<f64> {
        let value = match serde_json::from_str(line) {
            Ok(Value::Object(map)) => map.get("reward").and_then(Value::as_f64),
            Ok(value) => value.as_f64(),
            Err(_) => None,
        };
        let short: String = line.chars().take(40).collect();
        let wrong =
            || self.wrong(format!("line {number} is {short:?}, expected a finite number or {{\"reward\": number}}"));
        value.filter(|v| v.is_finite()).ok_or_else(wrong)
    }
}

/// Ends a shell and all that it started; they may be gone already.
fn kill(child: &mut Child) {
    if cfg!(unix) {
        let group = format!("kill -9 -{}", child.id());
        let _ = Command::new("sh").args(["-c", &group]).stderr(Stdio::null()).status();
    }
    let _ = child.kill();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use serde_json::Map;

    fn run(command: &str, seconds: f64) -> Result<Vec<f64>> {
        let fields = Map::new();
        let completions = ["a", "bb", "a\n\"c\""];
        let written: Vec<Written> = completions
            .iter()
            .map(|completion| Written { prompt: "p", messages: &[], completion, fields: &fields })
            .collect();
        Program::new(command, Duration::from_secs_f64(seconds)).score(&written)
    }

    #[test]
    fn a_program_pays_line_by_line() {
        assert_eq!(run("while read -r line; do echo 0.5; done", 10.0).expect("scores"), [0.5; 3]);
        assert_eq!(
            run("cat > /dev/null; printf '1\\n{\"reward\": -2}\\n3e-1\\n'", 10.0).expect("scores"),
            [1.0, -2.0, 0.3]
        );
    }

    #[test]
    fn what_goes_wrong_is_one_line() {
        let complaint = |command: &str| run(command, 0.5).expect_err(command).to_string();
        assert!(complaint("sleep 5").contains("not done after 0.5 s"));
        assert!(complaint("echo no way >&2; exit 3").contains("its last words: no way"));
        assert!(complaint("cat > /dev/null; echo 1").contains("1 lines for 3"));
        assert!(complaint("cat > /dev/null; printf '1\\nNaN\\n2\\n'").contains("line 2 is \"NaN\""));
        assert!(complaint("/no/such/program").contains("ended with"));
        assert!(complaint("exec 1>&-; sleep 5").contains("did not end in time"));
    }

    #[test]
    fn what_a_program_started_ends_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let command = format!("sleep 30 & echo $! > '{}'; wait", file.display());
        assert!(run(&command, 0.5).is_err());
        let pid = std::fs::read_to_string(&file).expect("written");
        let alive = || {
            // a process that ended and was not waited for is no longer running
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            !(stat.is_empty() || stat.contains(") Z "))
        };
        let deadline = Instant::now() + Duration::from_secs(5);
        while alive() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!alive(), "{pid}");
    }
}
