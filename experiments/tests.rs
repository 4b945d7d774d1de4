//! What must hold for every registered experiment: no dead parameter, sane checks, a figure.

use rewardlab::experiment::{Kind, Plan, Preset, Runnable, StageStore};
use rewardlab::record::Table;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use toml::Value;

/// Rows of every cell at one seed.
fn measure(plan: &dyn Plan, seed: u64, stages: &StageStore) -> Vec<Table> {
    (0..plan.cells().len()).map(|c| plan.measure(c, seed, stages).expect("smoke parameters measure")).collect()
}

/// Dotted paths of all leaves.
fn leaves(table: &toml::Table, prefix: &str, out: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => leaves(inner, &format!("{prefix}{key}."), out),
            _ => out.push(format!("{prefix}{key}")),
        }
    }
}

fn leaf<'a>(table: &'a mut toml::Table, path: &str) -> &'a mut Value {
    match path.split_once('.') {
        None => table.get_mut(path).expect("a leaf"),
        Some((head, rest)) => leaf(table[head].as_table_mut().expect("a table"), rest),
    }
}

/// Other values for a parameter, tried in turn.
fn perturbed(value: &Value) -> Vec<Value> {
    match value {
        Value::Integer(i) => vec![Value::Integer(i + 1), Value::Integer(i * 2 + 1), Value::Integer(i - 1)],
        Value::Float(f) => vec![Value::Float(f * 1.5 + f64::from(*f == 0.0)), Value::Float(f * 0.5)],
        Value::Boolean(b) => vec![Value::Boolean(!b)],
        Value::String(s) => vec![Value::String(format!("{s}-other"))],
        Value::Array(items) => {
            let mut other = items.clone();
            let mut options = Vec::new();
            if let Some(first) = items.first() {
                options.extend(perturbed(first).into_iter().map(|v| {
                    other[0] = v;
                    Value::Array(other.clone())
                }));
            }
            options.push(Value::Array(items[..items.len().saturating_sub(1)].to_vec()));
            options
        }
        // inside an array
        Value::Table(table) => {
            let with = |key: &String, value: Value| {
                let mut other = table.clone();
                other.insert(key.clone(), value);
                Value::Table(other)
            };
            table.iter().flat_map(|(key, old)| perturbed(old).into_iter().map(move |v| with(key, v))).collect()
        }
        Value::Datetime(_) => unreachable!("parameters have no dates"),
    }
}

/// Whether a changed plan gives other rows (or other cells) than the base; stops at the first difference.
fn differs(base: &dyn Plan, rows: &[Table], plan: &dyn Plan, stages: &StageStore) -> bool {
    base.cells() != plan.cells() || (0..rows.len()).any(|c| plan.measure(c, 0, stages).ok().as_ref() != Some(&rows[c]))
}

/// Whether no legal change of a parameter shows in the rows at seed 0, although there is a legal change.
fn is_dead(experiment: &dyn Runnable, name: &str, rows: &[Table], stages: &StageStore) -> bool {
    let defaults = experiment.params(Preset::Smoke).expect("TOML");
    let base = experiment.plan(&defaults).expect("legal defaults");
    let plans: Vec<_> = perturbed(leaf(&mut defaults.clone(), name))
        .into_iter()
        .filter_map(|value| {
            let mut table = defaults.clone();
            *leaf(&mut table, name) = value;
            // half of zero is zero
            if table == defaults { None } else { experiment.plan(&table).ok() }
        })
        .collect();
    !plans.is_empty() && !plans.iter().any(|plan| differs(base.as_ref(), rows, plan.as_ref(), stages))
}

/// Runs a job for each of `count` numbers on all cores; returns the results in order.
fn on_all_cores<T: Send>(count: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(i) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < count) {
                    let result = job(i);
                    done.lock().expect("no panic").push((i, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no panic");
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

#[test]
fn no_parameter_is_dead() {
    let registry = super::registry();
    // a stage is found by its key: one that depends on a parameter outside its key is reported as dead
    let stages: Vec<StageStore> = registry.iter().map(|_| StageStore::default()).collect();
    let rows = on_all_cores(registry.len(), |e| {
        let defaults = registry[e].params(Preset::Smoke).expect("TOML");
        measure(registry[e].plan(&defaults).expect("legal defaults").as_ref(), 0, &stages[e])
    });
    let mut parameters = Vec::new();
    for (e, experiment) in registry.iter().enumerate() {
        let mut names = Vec::new();
        leaves(&experiment.params(Preset::Smoke).expect("TOML"), "", &mut names);
        parameters.extend(names.into_iter().map(|name| (e, name)));
    }
    let dead = on_all_cores(parameters.len(), |i| {
        let (e, name) = &parameters[i];
        is_dead(registry[*e].as_ref(), name, &rows[*e], &stages[*e]).then(|| format!("{}: {name}", registry[*e].id()))
    });
    let dead: Vec<String> = dead.into_iter().flatten().collect();
    assert!(dead.is_empty(), "parameters that change nothing:\n{}", dead.join("\n"));
}

#[test]
fn every_experiment_has_claims_controls_a_figure_and_tidy_rows() {
    for experiment in super::registry() {
        let id = experiment.id();
        let plan = experiment.plan(&experiment.params(Preset::Smoke).expect("TOML")).expect("legal defaults");
        let mut whole = Table::default();
        for seed in experiment.seeds(Preset::Smoke) {
            for table in measure(plan.as_ref(), seed, &StageStore::default()) {
                if whole.header.is_empty() {
                    whole.header.clone_from(&table.header);
                }
                assert!(table.rows.is_empty() || table.header == whole.header, "{id}: cells differ in columns");
                whole.rows.extend(table.rows);
            }
        }
        let (checks, chart) = experiment.judge(Path::new(id), &whole).expect("judged");
        for kind in [Kind::Claim, Kind::Control] {
            assert!(checks.iter().any(|c| c.kind == kind), "{id}: no {}", kind.name());
        }
        let ids: HashSet<_> = checks.iter().map(|c| &c.id).collect();
        assert_eq!(ids.len(), checks.len(), "{id}: a check's id appears twice");
        assert!(checks.iter().all(|c| !c.statement.is_empty() && !c.source.is_empty() && !c.statistic.is_empty()));
        assert!(!chart.title.is_empty() && !chart.panels.is_empty(), "{id}: no figure");
        for panel in &chart.panels {
            assert!(!panel.x.label.is_empty() && !panel.y.label.is_empty(), "{id}: an axis without a label");
            assert!(!panel.layers.is_empty(), "{id}: an empty panel");
        }
    }
}

#[test]
fn every_profile_plans_and_has_enough_seeds() {
    for experiment in super::registry() {
        for preset in [Preset::Smoke, Preset::Paper, Preset::Gpu].into_iter().filter(|p| experiment.has(*p)) {
            let params = experiment.params(preset).expect("TOML");
            let plan = experiment.plan(&params).expect("legal defaults");
            assert!(plan.cells().iter().all(|c| !c.contains([',', '\n', '"'])), "{}: cell names", experiment.id());
        }
        assert!(experiment.seeds(Preset::Paper).len() >= 5, "{}: at least 5 seeds", experiment.id());
        assert!(experiment.seconds(Preset::Smoke) > 0.0 && experiment.seconds(Preset::Paper) > 0.0);
    }
}
