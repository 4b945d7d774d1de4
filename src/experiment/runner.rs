//! Runs units in parallel, journals each as it is done, and writes the rows in one order whatever the threads did.

use super::Preset;
use super::folder::{Manifest, RunFolder, State, failures_table};
use super::journal::{Identity, Journal};
use super::registry::{Plan, Runnable};
use super::stage::{StageMemory, StageStore};
use crate::error::{Error, Result};
use crate::record::{Table, sha256};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What the parameters started from.
    pub profile: Preset,
    /// Seeds; the experiment's own when absent.
    pub seeds: Option<Vec<u64>>,
    /// The folder above all experiments.
    pub out: &'a Path,
    /// Shard (K, N), counted from 1.
    pub shard: (usize, usize),
    /// Go on with an interrupted run.
    pub resume: bool,
    /// Throw an earlier run away.
    pub force: bool,
    /// The run checks another: it enters only folders that are vacant or that an earlier such run made.
    pub verify: bool,
}

/// One experiment with its parameters checked and its folder locked, but nothing changed yet. Claim all that will run
/// before the first [`Claim::begin`], so that one that is refused costs the others nothing.
#[derive(Debug)]
pub struct Claim<'a> {
    job: Job<'a>,
    identity: Identity,
    start: Start,
    verify: bool,
}

/// What a claimed folder is to become.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// The same run is complete there: nothing to do.
    Complete,
    /// Go on after the journal's units.
    Resume,
    /// Clear the folder and start.
    Fresh,
}

/// One experiment, ready to run: parameters checked, folder locked, finished units read back.
pub struct Job<'a> {
    experiment: &'a dyn Runnable,
    plan: Box<dyn Plan>,
    folder: RunFolder,
    params: String,
    seeds: Vec<u64>,
    profile: Preset,
    shard: (usize, usize),
    command: String,
    stages: StageStore,
    /// `None` when the run was complete before.
    journal: Option<Journal>,
    pending: Vec<usize>,
    failures: Vec<String>,
    _lock: File,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Job({}, {} units pending)", self.experiment.id(), self.pending.len())
    }
}

impl<'a> Claim<'a> {
    /// Checks everything that can be checked before computing, and locks the folder; what it holds stays as it is.
    ///
    /// # Errors
    /// Bad parameters, an unwritable folder, another process in it, results that are not this run's and `force` not
    /// given, an interrupted run and neither `resume` nor `force` given; for `verify`, results that no `verify` made.
    pub fn new(experiment: &'a dyn Runnable, params: &toml::Table, request: &Request) -> Result<Self> {
        let plan = experiment.plan(params)?;
        let seeds = request.seeds.clone().unwrap_or_else(|| experiment.seeds(request.profile));
        let text = toml::to_string(params).map_err(|e| Error::Usage(e.to_string()))?;
        let identity = Identity {
            experiment: experiment.id().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            params_sha256: sha256(text.as_bytes()),
            seeds: seeds.clone(),
            shard: request.shard,
        };
        let folder = RunFolder::new(request.out, experiment.id(), request.shard);
        let lock = folder.lock()?;
        let start = start(&folder, &identity, request)?;
        let job = Job {
            command: command(experiment, params, request, &seeds)?,
            stages: StageStore::new(Some(folder.stages_path())),
            plan,
            folder,
            params: text,
            seeds,
            profile: request.profile,
            shard: request.shard,
            experiment,
            journal: None,
            pending: Vec::new(),
            failures: Vec::new(),
            _lock: lock,
        };
        Ok(Self { job, identity, start, verify: request.verify })
    }

    /// Takes the folder: reads an interrupted run back, or throws away what is there and starts a journal.
    ///
    /// # Errors
    /// A file that cannot be read, removed or written.
    pub fn begin(self) -> Result<Job<'a>> {
        let Self { mut job, identity, start, verify } = self;
        if start == Start::Complete {
            let failed = job.folder.failures()?.rows;
            job.failures = failed.iter().map(|f| named_failure(job.experiment, &f[0], &f[1], &f[2])).collect();
            return Ok(job);
        }
        if start == Start::Fresh {
            job.folder.clear()?;
        }
        job.folder.mark_as_of_verify(verify)?;
        let path = job.folder.journal_path();
        let units = job.units();
        let resumes = start == Start::Resume;
        let journal = if resumes { Journal::resume(&path)? } else { Journal::create(&path, &identity, units.len())? };
        job.pending = units.into_iter().filter(|u| !journal.done().contains_key(u)).collect();
        job.failures = journal.failed().iter().map(|(unit, message)| job.failure(*unit, message)).collect();
        job.journal = Some(journal);
        Ok(job)
    }
}

impl<'a> Job<'a> {
    /// The experiment.
    pub fn experiment(&self) -> &'a dyn Runnable {
        self.experiment
    }

    /// Where its files go.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Whether the very same run was complete before, so that nothing is computed.
    pub fn was_complete(&self) -> bool {
        self.journal.is_none()
    }

    /// How many units an interrupted run had already finished.
    pub fn resumed_units(&self) -> usize {
        self.journal.as_ref().map_or(0, |j| j.done().len())
    }

    /// What went wrong, one line per failed unit, those of an earlier process too.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Whether its rows are written, without those of units that failed for numerical reasons.
    pub fn is_complete(&self) -> bool {
        self.folder.file("manifest.toml").exists()
    }

    /// Its shard's share of all units.
    fn units(&self) -> Vec<usize> {
        let (shard, of) = self.shard;
        (0..self.plan.cells().len() * self.seeds.len()).filter(|unit| unit % of == shard - 1).collect()
    }

    fn failure(&self, unit: usize, message: &str) -> String {
        let (cell, seed) = self.unit_name(unit);
        named_failure(self.experiment, &self.plan.cells()[cell], &seed.to_string(), message)
    }

    fn unit_name(&self, unit: usize) -> (usize, u64) {
        (unit / self.seeds.len(), self.seeds[unit % self.seeds.len()])
    }

    fn measure(&self, unit: usize) -> Result<Table, Failure> {
        let (cell, seed) = self.unit_name(unit);
        let measured = catch_unwind(AssertUnwindSafe(|| self.plan.measure(cell, seed, &self.stages)));
        match measured {
            Ok(Ok(table)) => Ok(table),
            Ok(Err(e)) => Err(Failure { message: e.to_string(), again: e.is_numerical() }),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("panic");
                Err(Failure { message: format!("a fault in the program: {text}"), again: false })
            }
        }
    }

    /// The units that failed for numerical reasons.
    fn failed(&self, journal: &Journal) -> Table {
        let mut failures = failures_table();
        for (unit, message) in journal.failed() {
            let (cell, seed) = self.unit_name(*unit);
            failures.rows.push(vec![self.plan.cells()[cell].clone(), seed.to_string(), message.clone()]);
        }
        failures
    }

    /// Concatenates the units' rows in unit order and writes the finished run.
    fn finish(&self, journal: &Journal, unit_seconds: f64, threads: usize) -> Result<()> {
        let mut whole = Table::default();
        for table in journal.done().values() {
            if whole.header.is_empty() {
                whole.header.clone_from(&table.header);
            }
            whole.rows.extend(table.rows.iter().cloned());
        }
        let failures = self.failed(journal);
        let rows = whole.to_csv()?;
        let manifest = Manifest {
            failed_units: failures.rows.len(),
            experiment: self.experiment.id().to_owned(),
            paper: self.experiment.paper().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: self.profile.name().to_owned(),
            command: self.command.clone(),
            seeds: self.seeds.clone(),
            shard: self.shard,
            units: self.units().len(),
            rows: whole.rows.len(),
            params_sha256: sha256(self.params.as_bytes()),
            rows_sha256: sha256(&rows),
            unit_seconds: (unit_seconds * 100.0).round() / 100.0,
            threads,
        };
        self.folder.complete(&self.params, &rows, &failures, &manifest)
    }
}

/// Why a unit has no rows.
struct Failure {
    message: String,
    /// It would fail in the same way again.
    again: bool,
}

fn named_failure(experiment: &dyn Runnable, cell: &str, seed: &str, message: &str) -> String {
    format!("{} [{cell}, seed {seed}]: {message}", experiment.id())
}

/// Decides what an existing folder means for this request; changes nothing.
fn start(folder: &RunFolder, identity: &Identity, request: &Request) -> Result<Start> {
    let shown = folder.path().display();
    if request.verify && !folder.is_vacant() && !folder.is_of_verify() {
        return Err(Error::Usage(format!("{shown} holds results that `verify` did not make: give another --out")));
    }
    if !request.force {
        match folder.state()? {
            State::Empty | State::Interrupted(None) => {}
            // nothing says whose rows these are; a shard's folder is its run's
            State::Damaged(lost @ "manifest.toml") if request.shard.1 == 1 => {
                return Err(Error::Usage(format!(
                    "{shown} holds rows whose {lost} is lost or broken: put it back, or give --force to replace them, or another --out"
                )));
            }
            // its units went with the file: nothing is thrown away by computing them again
            State::Damaged(_) if request.resume => {}
            State::Damaged(lost) => {
                return Err(Error::Usage(format!(
                    "{shown} holds a run whose {lost} is lost or broken: put it back, or give --resume to compute it again"
                )));
            }
            State::Complete(m) if same_run(&m, identity) => return Ok(Start::Complete),
            State::Complete(m) => {
                let what = if m.version == identity.version { "other parameters or seeds" } else { "another version" };
                return Err(Error::Usage(format!(
                    "{shown} holds a complete run with {what}: give --force to replace it, or another --out"
                )));
            }
            State::Interrupted(Some(old)) if old != *identity => {
                return Err(Error::Usage(format!(
                    "{shown} holds an interrupted run with other parameters, seeds or version: give --force to throw it away, or another --out"
                )));
            }
            State::Interrupted(Some(_)) if request.resume => return Ok(Start::Resume),
            State::Interrupted(Some(_)) => {
                return Err(Error::Usage(format!(
                    "{shown} holds an interrupted run: give --resume to go on with it, or --force to start again"
                )));
            }
        }
    }
    Ok(Start::Fresh)
}

fn same_run(manifest: &Manifest, identity: &Identity) -> bool {
    manifest.params_sha256 == identity.params_sha256
        && manifest.seeds == identity.seeds
        && manifest.version == identity.version
        && manifest.shard == identity.shard
}

/// The command line that makes the same rows.
fn command(experiment: &dyn Runnable, params: &toml::Table, request: &Request, seeds: &[u64]) -> Result<String> {
    use std::fmt::Write;
    let mut line = format!("rewardlab run {} --profile {}", experiment.id(), request.profile.name());
    if seeds != experiment.seeds(request.profile) {
        let list: Vec<_> = seeds.iter().map(ToString::to_string).collect();
        let _ = write!(line, " --seeds {}", list.join(","));
    }
    let mut changed = Vec::new();
    super::params::changes(&experiment.params(request.profile)?, params, "", &mut changed);
    for (key, value) in changed {
        let _ = write!(line, " --set '{key}={value}'");
    }
    if request.shard.1 > 1 {
        let _ = write!(line, " --shard {}/{}", request.shard.0, request.shard.1);
    }
    Ok(line)
}

/// What a watcher of [`run`] is told.
pub trait Progress {
    /// `done` of `total` expected seconds of work are done; `units` of `all` units.
    fn advance(&mut self, done: f64, total: f64, units: usize, all: usize);
    /// A unit failed.
    fn failed(&mut self, message: &str);
    /// An experiment's rows are written.
    fn finished(&mut self, id: &str);
    /// Asked a few times a second; true stops the run.
    fn interrupted(&self) -> bool;
    /// The run stops for an interruption: all that counts is journalled, so the process may end here and now.
    fn stopped(&mut self);
}

/// Runs all jobs' pending units on `threads` threads, and writes each job's rows when its last unit is in.
///
/// Returns false if `progress` interrupted the run (after the units at work, unless [`Progress::stopped`] ends the
/// process).
///
/// # Errors
/// The first failure to write. What was journalled before stays.
pub fn run(jobs: &mut [Job<'_>], threads: usize, progress: &mut dyn Progress) -> Result<bool> {
    let memory = StageMemory::default();
    jobs.iter_mut().for_each(|j| j.stages.share(&memory));
    let mut journals: Vec<Option<Journal>> = jobs.iter_mut().map(|j| j.journal.take()).collect();
    let shared: &[Job] = jobs;
    let queue = queue(shared);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let mut tally = Tally::new(shared, &queue);
    let outcome = std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, queue.len().max(1)) {
            let (sender, queue, next, stop) = (sender.clone(), &queue, &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(&(job, unit)) = queue.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let started = Instant::now();
                    let result = shared[job].measure(unit);
                    if sender.send(Done { job, unit, result, seconds: started.elapsed().as_secs_f64() }).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut collect = || -> Result<bool> {
            // a run killed after its last unit has nothing pending, yet its rows are not written
            for job in (0..shared.len()).filter(|&j| tally.left[j] == 0) {
                tally.close(job, shared, &journals, threads, progress)?;
            }
            loop {
                match receiver.recv_timeout(Duration::from_millis(100)) {
                    Ok(done) => tally.record(done, shared, &mut journals, threads, progress)?,
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(true),
                }
                if progress.interrupted() {
                    return Ok(false);
                }
            }
        };
        let outcome = collect();
        stop.store(true, Ordering::Relaxed);
        if matches!(outcome, Ok(false)) {
            progress.stopped();
        }
        outcome
    });
    let failures = tally.failures;
    for ((job, journal), failures) in jobs.iter_mut().zip(journals).zip(failures) {
        job.journal = journal;
        job.failures.extend(failures);
    }
    outcome
}

/// All pending (job, unit), the most expensive experiments first, so that no core idles at the end.
fn queue(jobs: &[Job]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    let seconds = |j: &Job| j.experiment.seconds(j.profile);
    order.sort_by(|&a, &b| seconds(&jobs[b]).total_cmp(&seconds(&jobs[a])));
    order.iter().flat_map(|&j| jobs[j].pending.iter().map(move |&u| (j, u))).collect()
}

/// A unit that came back from a worker.
struct Done {
    job: usize,
    unit: usize,
    result: Result<Table, Failure>,
    seconds: f64,
}

/// The collector's books.
struct Tally {
    /// Expected seconds of a unit, by job; the bar's length is made of them.
    cost: Vec<f64>,
    left: Vec<usize>,
    seconds: Vec<f64>,
    failures: Vec<Vec<String>>,
    /// Whether a unit failed that may succeed another time.
    unfinished: Vec<bool>,
    done: f64,
    total: f64,
    units: usize,
    all: usize,
}

impl Tally {
    fn new(jobs: &[Job], queue: &[(usize, usize)]) -> Self {
        let cost = |j: &Job| j.experiment.seconds(j.profile) / (j.plan.cells().len() * j.seeds.len()).max(1) as f64;
        let cost: Vec<f64> = jobs.iter().map(cost).collect();
        Self {
            total: queue.iter().map(|&(j, _)| cost[j]).sum(),
            cost,
            left: jobs.iter().map(|j| j.pending.len()).collect(),
            seconds: vec![0.0; jobs.len()],
            failures: vec![Vec::new(); jobs.len()],
            unfinished: vec![false; jobs.len()],
            done: 0.0,
            units: 0,
            all: queue.len(),
        }
    }

    fn record(
        &mut self,
        done: Done,
        jobs: &[Job],
        journals: &mut [Option<Journal>],
        threads: usize,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let job = done.job;
        self.done += self.cost[job];
        self.units += 1;
        self.left[job] -= 1;
        self.seconds[job] += done.seconds;
        match (done.result, &mut journals[job]) {
            (Ok(table), Some(journal)) => journal.add(done.unit, table)?,
            (Ok(_), None) => {}
            (Err(failure), journal) => {
                let line = jobs[job].failure(done.unit, &failure.message);
                progress.failed(&line);
                self.failures[job].push(line);
                match journal {
                    Some(journal) if failure.again => journal.add_failure(done.unit, failure.message)?,
                    _ => self.unfinished[job] = true,
                }
            }
        }
        progress.advance(self.done, self.total, self.units, self.all);
        if self.left[job] == 0 { self.close(job, jobs, journals, threads, progress) } else { Ok(()) }
    }

    /// Writes the rows of a job whose units are all in, unless one may yet succeed or none has rows (of a shard: others have).
    fn close(
        &self,
        job: usize,
        jobs: &[Job],
        journals: &[Option<Journal>],
        threads: usize,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let Some(journal) = &journals[job] else { return Ok(()) };
        let sharded = jobs[job].shard.1 > 1;
        let some_rows = sharded || journal.failed().is_empty() || journal.failed().len() < journal.done().len();
        match (some_rows, self.unfinished[job]) {
            (true, false) => {
                jobs[job].finish(journal, self.seconds[job], threads)?;
                progress.finished(jobs[job].experiment.id());
                Ok(())
            }
            // nothing to finish, but why is worth a file
            (false, false) => jobs[job].folder.record_failures(&jobs[job].failed(journal)),
            (_, true) => Ok(()),
        }
    }
}
