//! Rust defines parameters, TOML records them: defaults from code, overridden by `--params FILE` and `--set a.b=c`.

use crate::error::{Error, Result};
use std::path::Path;
use toml::{Table, Value};

/// Overrides `table` by the content of a TOML file, key by key.
///
/// # Errors
/// An unreadable or malformed file, an unknown key, a value of another type.
pub fn apply_file(table: &mut Table, path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let given: Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |s| 1 + text[..s.start].matches('\n').count());
        Error::content(path, format!("line {line}"), e.message())
    })?;
    overlay(table, given, "")
}

fn overlay(table: &mut Table, given: Table, prefix: &str) -> Result<()> {
    for (key, value) in given {
        let name = format!("{prefix}{key}");
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(given)) => overlay(inner, given, &format!("{name}."))?,
            (Some(slot), value) => *slot = same_type(&name, slot, value)?,
            (None, _) => return Err(unknown(table, prefix, &name)),
        }
    }
    Ok(())
}

/// Overrides one key, given as `a.b=c`.
///
/// # Errors
/// No `=`, an unknown key (the nearest is named), a value of another type.
pub fn apply_set(table: &mut Table, assignment: &str) -> Result<()> {
    let (name, raw) = assignment
        .split_once('=')
        .ok_or_else(|| Error::Usage(format!("--set {assignment}: must be key=value, for example --set steps=100")))?;
    let (name, raw) = (name.trim(), raw.trim());
    let (mut scope, mut prefix) = (table, String::new());
    let mut parts: Vec<&str> = name.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        if !matches!(scope.get(part), Some(Value::Table(_))) {
            return Err(unknown(scope, &prefix, name));
        }
        prefix = format!("{prefix}{part}.");
        scope = match scope.get_mut(part) {
            Some(Value::Table(inner)) => inner,
            _ => unreachable!("checked above"),
        };
    }
    if !scope.contains_key(last) {
        return Err(unknown(scope, &prefix, name));
    }
    // a bare word is a string: --set data=DIR needs no quotes
    let parsed = format!("v = {raw}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    let value = parsed.unwrap_or_else(|| Value::String(raw.to_owned()));
    let slot = &scope[last];
    let value = match (slot, value) {
        (Value::String(_), v) if !v.is_str() => Value::String(raw.to_owned()),
        (_, v) => v,
    };
    let value = same_type(name, slot, value)?;
    scope.insert(last.to_owned(), value);
    Ok(())
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
                let items = items.iter().map(|item| same_type(name, first, item.clone()));
                Ok(Value::Array(items.collect::<Result<_>>()?))
            }
            None => Ok(new),
        },
        (Value::Float(_), _) => legal("a number"),
        (Value::Integer(_), _) => legal("a whole number"),
        (Value::Boolean(_), _) => legal("true or false"),
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
