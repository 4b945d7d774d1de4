//! Rust defines parameters, TOML records them: defaults from code, overridden by `--params FILE` and `--set a.b=c`.

use crate::error::{Error, Result};
use std::path::Path;
use toml::{Table, Value};

/// Overrides `table` by the content of a TOML file, key by key.
///
/// # Errors
/// An unreadable or malformed file, an unknown key, a value of another type.
pub fn apply_file(table: &mut Table, path: &Path) -> Result<()> {
    overlay(table, read(path)?, "", &[])
}

/// The same, but the keys named in `whole` are replaced whole, whatever their type: choices whose settings differ.
pub(crate) fn apply_file_but(table: &mut Table, path: &Path, whole: &[&str]) -> Result<()> {
    overlay(table, read(path)?, "", whole)
}

/// A TOML file.
///
/// # Errors
/// An unreadable file; one that is malformed, with its line.
pub(crate) fn read(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |s| 1 + text[..s.start].matches('\n').count());
        Error::content(path, format!("line {line}"), e.message())
    })
}

fn overlay(table: &mut Table, given: Table, prefix: &str, whole: &[&str]) -> Result<()> {
    for (key, value) in given {
        let name = format!("{prefix}{key}");
        match (table.get_mut(&key), value) {
            (Some(slot), value) if whole.contains(&name.as_str()) => *slot = value,
            (Some(Value::Table(inner)), Value::Table(given)) => overlay(inner, given, &format!("{name}."), whole)?,
            (Some(slot), value) => *slot = same_type(&name, slot, value)?,
            (None, _) => return Err(unknown(table, prefix, &name)),
        }
    }
    Ok(())
}

/// Overrides one key, given as `a.b=c`; an item of a list is named by its place, from 0: `ladder.0.width=32`.
///
/// # Errors
/// No `=`, an unknown key (the nearest is named), a place beyond a list's end, a value of another type.
pub fn apply_set(table: &mut Table, assignment: &str) -> Result<()> {
    apply_set_but(table, assignment, &[])
}

/// The same, but the keys named in `whole` are replaced whole, whatever their type.
pub(crate) fn apply_set_but(table: &mut Table, assignment: &str, whole: &[&str]) -> Result<()> {
    let (name, raw) = assignment
        .split_once('=')
        .ok_or_else(|| Error::Usage(format!("--set {assignment}: must be key=value, for example --set steps=100")))?;
    let (name, raw) = (name.trim(), raw.trim());
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let (slot, _) = parts.try_fold((key_of(table, "", first, name)?, first.to_owned()), |(slot, prefix), part| {
        let inner = match slot {
            Value::Table(inner) => key_of(inner, &format!("{prefix}."), part, name)?,
            Value::Array(items) => item_of(items, &prefix, part)?,
            _ => return Err(Error::Usage(format!("parameter {prefix} has no keys: {name} is unknown"))),
        };
        Ok((inner, format!("{prefix}.{part}")))
    })?;
    // a bare word is a string: --set data=DIR needs no quotes
    let parsed = format!("v = {raw}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    let value = parsed.unwrap_or_else(|| Value::String(raw.to_owned()));
    if whole.contains(&name) {
        *slot = value;
        return Ok(());
    }
    let value = match (&*slot, value) {
        (Value::String(_), v) if !v.is_str() => Value::String(raw.to_owned()),
        (_, v) => v,
    };
    *slot = same_type(name, slot, value)?;
    Ok(())
}

fn key_of<'a>(scope: &'a mut Table, prefix: &str, key: &str, name: &str) -> Result<&'a mut Value> {
    if scope.contains_key(key) {
        return Ok(&mut scope[key]);
    }
    // what is near is looked for in this scope alone; the rest of the name stands behind it
    let given: Vec<&str> = name.split('.').take(prefix.split('.').count()).collect();
    Err(unknown(scope, prefix, &given.join(".")))
}

fn item_of<'a>(items: &'a mut [Value], list: &str, place: &str) -> Result<&'a mut Value> {
    let count = items.len();
    let legal = match count {
        0 => "none: the list is empty".to_owned(),
        _ => format!("a whole number from 0 to {}", count - 1),
    };
    let item = place.parse::<usize>().ok().and_then(|i| items.get_mut(i));
    item.ok_or_else(|| Error::parameter(format!("{list}'s place"), place, legal))
}

/// Says which experiment refused a parameter: one `--set` goes to every chosen experiment.
pub(crate) fn refused_by(id: &str, error: Error) -> Error {
    match error {
        Error::Unknown { nearest: None, .. } => {
            Error::Usage(format!("{id}: {error}; its parameters: rewardlab list --params smoke"))
        }
        Error::Unknown { .. } | Error::Parameter { .. } => Error::Usage(format!("{id}: {error}")),
        // a file's path speaks for itself
        other => other,
    }
}

/// Collects the dotted keys whose values differ from the defaults.
pub(crate) fn changes(defaults: &Table, given: &Table, prefix: &str, out: &mut Vec<(String, Value)>) {
    for (key, value) in given {
        match (defaults.get(key), value) {
            (Some(Value::Table(a)), Value::Table(b)) => changes(a, b, &format!("{prefix}{key}."), out),
            (old, value) if old != Some(value) => out.push((format!("{prefix}{key}"), value.clone())),
            _ => {}
        }
    }
}

fn same_type(name: &str, old: &Value, new: Value) -> Result<Value> {
    let legal = |what: &str| Err(Error::parameter(name, &new, what));
    match (old, &new) {
        (Value::Float(_), Value::Integer(i)) => Ok(Value::Float(*i as f64)),
        (Value::Float(_), Value::Float(f)) if !f.is_finite() => legal("a finite number"),
        (Value::Float(_), Value::Float(_))
        | (Value::Integer(_), Value::Integer(_))
        | (Value::Boolean(_), Value::Boolean(_))
        | (Value::String(_), Value::String(_)) => Ok(new),
        (Value::Array(old_items), Value::Array(items)) => match old_items.first() {
            Some(first) => {
                let items = items.iter().enumerate().map(|(i, item)| {
                    // a list of numbers is one value, one of tables many
                    let name = if first.is_table() { format!("{name}.{i}") } else { name.to_owned() };
                    same_type(&name, first, item.clone())
                });
                Ok(Value::Array(items.collect::<Result<_>>()?))
            }
            None => Ok(new),
        },
        (Value::Table(old), Value::Table(given)) => {
            let prefix = format!("{name}.");
            if let Some(missing) = old.keys().find(|key| !given.contains_key(*key)) {
                return legal(&format!("a table that has `{missing}` too"));
            }
            let typed = given.iter().map(|(key, value)| {
                let own = format!("{prefix}{key}");
                let slot = old.get(key).ok_or_else(|| unknown(old, &prefix, &own))?;
                Ok((key.clone(), same_type(&own, slot, value.clone())?))
            });
            Ok(Value::Table(typed.collect::<Result<_>>()?))
        }
        (Value::Float(_), _) => legal("a number"),
        (Value::Integer(_), _) => legal("a whole number"),
        (Value::Boolean(_), _) => legal("true or false"),
        (Value::Array(items), _) if items.first().is_some_and(Value::is_table) => {
            legal("a list of tables, for example [{a = 1, b = 2}, {a = 3, b = 4}]")
        }
        (Value::Array(_), _) => legal("a list, for example [1, 2]"),
        (Value::Table(_), _) => legal("a table of keys; set one of them, for example with a dotted name"),
        (Value::String(_) | Value::Datetime(_), _) => legal("a string"),
    }
}

fn unknown(scope: &Table, prefix: &str, name: &str) -> Error {
    let known: Vec<String> = scope.keys().map(|k| format!("{prefix}{k}")).collect();
    Error::unknown("parameter", name, known.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        "steps = 10\nrate = 0.5\nname = \"a\"\nlist = [1, 2]\n[model]\nwidth = 4\n".parse().expect("toml")
    }

    fn ladder() -> Table {
        "[puzzles]\nladder = [{ width = 8, rate = 0.5 }, { width = 16, rate = 0.5 }]\n".parse().expect("toml")
    }

    #[test]
    fn lists_of_tables_are_set_whole_or_item_by_item() {
        let mut t = ladder();
        apply_set(&mut t, "puzzles.ladder=[{width=32, rate=1}, {width=64, rate=2.5}, {rate=3, width=128}]")
            .expect("whole");
        apply_set(&mut t, "puzzles.ladder.1.width=48").expect("one key");
        apply_set(&mut t, "puzzles.ladder.0={width=24, rate=1}").expect("one item");
        let items = "{ width = 24, rate = 1.0 }, { width = 48, rate = 2.5 }, { width = 128, rate = 3.0 }";
        let expected = format!("[puzzles]\nladder = [{items}]\n");
        assert_eq!(t, expected.parse().expect("toml"));
        // what a run records comes back, by file and by the command in its manifest
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("params.toml");
        std::fs::write(&path, t.to_string()).expect("written");
        let mut again = ladder();
        apply_file(&mut again, &path).expect("its own file");
        assert_eq!(again, t);
        let (mut changed, mut by_command) = (Vec::new(), ladder());
        changes(&ladder(), &t, "", &mut changed);
        for (key, value) in changed {
            apply_set(&mut by_command, &format!("{key}={value}")).expect("its own command");
        }
        assert_eq!(by_command, t);
        let mut t = table();
        apply_set(&mut t, "list.1=7").expect("an item");
        assert_eq!(t["list"], Value::from(vec![1, 7]));
    }

    #[test]
    fn mistakes_in_lists_are_named() {
        let message = |s: &str| apply_set(&mut ladder(), s).expect_err(s).to_string();
        let place = "must be a whole number from 0 to 1";
        assert_eq!(message("puzzles.ladder.2.width=8"), format!("parameter puzzles.ladder's place = 2: {place}"));
        assert_eq!(message("puzzles.ladder.-1.width=8"), format!("parameter puzzles.ladder's place = -1: {place}"));
        assert_eq!(message("puzzles.ladder.width=8"), format!("parameter puzzles.ladder's place = width: {place}"));
        assert_eq!(
            message("puzzles.ladder.0.widht=8"),
            "unknown parameter `puzzles.ladder.0.widht`; did you mean `puzzles.ladder.0.width`?"
        );
        assert_eq!(
            message("puzzles.ladder=[{width=8, rate=1}, {widht=8, width=3, rate=1}]"),
            "unknown parameter `puzzles.ladder.1.widht`; did you mean `puzzles.ladder.1.width`?"
        );
        assert!(message("puzzles.ladder=[{width=8}]").ends_with("must be a table that has `rate` too"));
        assert_eq!(
            message("puzzles.ladder.1.width=1.5"),
            "parameter puzzles.ladder.1.width = 1.5: must be a whole number"
        );
        assert!(message("puzzles.ladder=[{width=8, rate=1}").contains("a list of tables"));
        assert!(message("puzzles.ladder=[3]").contains("a table of keys"));
        assert_eq!(message("puzzle.ladder.0.width=8"), "unknown parameter `puzzle`; did you mean `puzzles`?");
        assert_eq!(
            apply_set(&mut table(), "list.0.x=1").expect_err("a number").to_string(),
            "parameter list.0 has no keys: list.0.x is unknown"
        );
    }

    #[test]
    fn set_overrides_and_converts() {
        let mut t = table();
        for s in ["steps=20", "rate=2", "name=/some/dir", "list=[3]", "model.width = 8"] {
            apply_set(&mut t, s).expect(s);
        }
        let expected = "steps = 20\nrate = 2.0\nname = \"/some/dir\"\nlist = [3]\n[model]\nwidth = 8\n";
        assert_eq!(t, expected.parse().expect("toml"));
    }

    #[test]
    fn mistakes_are_named() {
        let message = |s: &str| apply_set(&mut table(), s).expect_err(s).to_string();
        assert_eq!(message("stps=1"), "unknown parameter `stps`; did you mean `steps`?");
        assert_eq!(message("model.widht=1"), "unknown parameter `model.widht`; did you mean `model.width`?");
        assert_eq!(message("steps=1.5"), "parameter steps = 1.5: must be a whole number");
        assert_eq!(message("rate=nan"), "parameter rate = nan: must be a finite number");
        assert!(message("steps").contains("key=value"));
        assert!(message("model=3").contains("table"));
    }
}
