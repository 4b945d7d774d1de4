//! Small templates of our own; none is from the package.

use super::*;
use std::fs;

const APPLES: &str = r#"
question = "Ada has 3 baskets of 4 apples. She eats half of them. How many are left?"
answer = """
She has 3*4 = <<3*4=12>>12 apples.
Half of them are 12/2 = <<12/2=6>>6.
#### 6
"""
id_orig = 17
question_annotated = """
{name,Ada} has {n_txt,3} baskets of {k,4} {fruit,apples}. She eats {part,half} of them. How many are left?

#init:
- name = sample(names)
- fruit, colour = sample([("apples", "red"), ("plums", "blue")])
- n_txt, n = range_str(2, 6, 1, numbers)
- $k = range(1, 30)
- part, share = sample(parts)
- $price = arange(0.5, 2, 0.25) # a comment
- cents = [5, 7]
- $rest = n * k - share * n * k

#conditions:
- is_int(n * k * share)
- not divides(k, 5) and 2 < k <= 20

#answer: int(n*k*(1 - share))
"""
answer_annotated = """
She has {n}*{k} = <<{n}*{k}={n*k}>>{n*k} {colour} {fruit}.
Left are {rest} = <<{n*k}-{n*k}*{share}={int(n*k - n*k*share)}>>{int(n*k - n*k*share)}, for {price * 2} and {cents} {'coin' if n == 1 else 'coins'}.

#### {int(n*k*(1-share))}
"""
"#;

const WORDS: &str = r#"{"names": ["Ada", "eve"], "numbers": ["one", "two", "three", "four", "five", "six"], "parts": [["half", "1/2"], ["a third", "1/3"]]}"#;

fn package(templates: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in templates {
        let path = folder.path().join("data").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn params(instances: usize) -> MathsParams {
    MathsParams { languages: vec!["eng".into()], instances, seed: 1 }
}

fn eng(template: &str) -> tempfile::TempDir {
    package(&[("eng/symbolic/0003.toml", template.to_owned()), ("eng/replacements.json", WORDS.to_owned())])
}

#[test]
fn instances_meet_the_conditions_and_their_steps_come_out() {
    let folder = eng(APPLES);
    let made = maths(folder.path(), &params(40)).expect("well formed");
    assert_eq!(made.counts["concrete problems"], 1);
    assert_eq!(made.counts["generated problems"], 40, "{:?}", made.dropped);
    assert_eq!(made.counts["generated: final answers equal to the template's own formula"], 40);
    let concrete = &made.items[0].line;
    assert_eq!(
        concrete.completion,
        "\nShe has 3*4 = <<3*4=12>>12 apples.\nHalf of them are 12/2 = <<12/2=6>>6.\n#### 6"
    );
    assert_eq!((concrete.answer.as_deref(), concrete.template.as_deref()), (Some("6"), Some("eng/0003")));
    let pattern = regex::Regex::new(
        r"^(Ada|Eve) has (two|three|four|five) baskets of (\d+) (apples|plums)\. She eats (half|a third) of them\.",
    )
    .expect("a pattern");
    for item in &made.items[1..] {
        let line = &item.line;
        let found = pattern.captures(&line.prompt).expect("the question's form");
        let n = ["", "", "two", "three", "four", "five"].iter().position(|w| *w == &found[2]).expect("a number") as i64;
        let k: i64 = found[3].parse().expect("a number");
        let share = if &found[5] == "half" { 2 } else { 3 };
        assert!(k % 5 != 0 && (3..=20).contains(&k) && n * k % share == 0, "{}", line.prompt);
        assert_eq!(line.answer.as_deref(), Some((n * k - n * k / share).to_string().as_str()));
        let colour = if &found[4] == "apples" { "red" } else { "blue" };
        assert!(line.completion.contains(&format!("{} {colour} {}", n * k, &found[4])), "{}", line.completion);
        assert!(
            line.completion.contains(" and 5 coins.") || line.completion.contains(" and 7 coins."),
            "{}",
            line.completion
        );
        assert_eq!(item.group, "template 17");
    }
    // the same seed, the same draws; another, others
    assert_eq!(maths(folder.path(), &params(40)).expect("well formed").items, made.items);
    assert_ne!(maths(folder.path(), &MathsParams { seed: 2, ..params(40) }).expect("well formed").items, made.items);
}

#[test]
fn wrong_steps_and_answers_are_dropped_and_counted() {
    let wrong = APPLES.replace("<<12/2=6>>", "<<12/2=7>>").replace("#answer: int(n*k*(1 - share))", "#answer: n*k");
    let made = maths(eng(&wrong).path(), &params(3)).expect("well formed");
    assert!(made.items.is_empty());
    assert_eq!(made.dropped["concrete, a step's mark does not come out"], 1);
    assert_eq!(made.dropped["generated, the solution ends with another answer than the template's"], 15);
    let unknown = APPLES.replace("arange(", "levitate(");
    let made = maths(eng(&unknown).path(), &params(3)).expect("well formed");
    assert_eq!(made.items.len(), 1);
    assert_eq!(made.dropped["no instances, eng/0003: function `levitate` is not known"], 1);
    let never = APPLES.replace("is_int(n * k * share)", "n > 100");
    let made = maths(eng(&never).path(), &params(3)).expect("well formed");
    assert_eq!(made.dropped["no instances, eng/0003: no draw of 20000 meets the conditions"], 1);
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    let message = |template: &str| maths(eng(template).path(), &params(1)).expect_err("malformed").to_string();
    assert!(message("question = 3").contains("0003.toml, line 1: "), "{}", message("question = 3"));
    let half = APPLES.replace("id_orig = 17", "id_orig = ");
    assert!(message(&half).contains("0003.toml, line 8: "), "{}", message(&half));
    // among good ones it is dropped
    let both = package(&[
        ("eng/symbolic/0003.toml", APPLES.to_owned()),
        ("eng/symbolic/0004.toml", half),
        ("eng/replacements.json", WORDS.to_owned()),
    ]);
    let made = maths(both.path(), &params(0)).expect("one is well formed");
    assert_eq!(made.items.len(), 1);
    assert!(
        made.dropped.keys().any(|k| k.starts_with("malformed template, eng/0004.toml, line 8: ")),
        "{:?}",
        made.dropped
    );
    let folder = eng(APPLES);
    let german = MathsParams { languages: vec!["engl".into()], ..params(1) };
    assert!(maths(folder.path(), &german).expect_err("not there").to_string().contains("did you mean `eng`"));
    let none = package(&[("readme.txt", String::new())]);
    assert!(maths(none.path(), &params(1)).expect_err("nothing").to_string().contains("none of them is a template"));
}

#[test]
fn one_template_in_two_languages_is_one_group_and_commas_are_read() {
    let german = APPLES.replace("<<12/2=6>>6", "<<12*0,5=6>>6");
    let folder = package(&[
        ("eng/symbolic/0003.toml", APPLES.to_owned()),
        ("deu/symbolic/0007.toml", german),
        ("eng/replacements.json", WORDS.to_owned()),
    ]);
    let both = MathsParams { languages: vec!["eng".into(), "deu".into()], ..params(0) };
    let made = maths(folder.path(), &both).expect("well formed");
    assert_eq!(made.items.len(), 2, "{:?}", made.dropped);
    assert_eq!(made.items[0].group, made.items[1].group);
}

/// Values that Python 3.11 prints for the same expressions, with `fractions.Fraction` for texts like "1/3"; decimals to nine places.
#[test]
fn expressions_have_pythons_values() {
    use super::expression::Expression;
    use super::scope::Scope;
    let value = |text: &str| {
        let variables = [("t", "1/3"), ("d", "2.50"), ("w", "week")];
        let variables =
            variables.map(|(n, v)| (n.to_owned(), Value::Text(v.to_owned()).understood())).into_iter().collect();
        let mut scope = Scope { lists: &BTreeMap::new(), variables, rng: None };
        Expression::parse(text).and_then(|e| scope.value(&e)).map_or_else(|e| format!("error: {e}"), |v| v.to_string())
    };
    for (text, expected) in [
        ("7//2", "3"),
        ("-7//2", "-4"),
        ("7//-2", "-4"),
        ("-7 % 3", "2"),
        ("7 % -3", "-2"),
        ("7.5 // 2", "3"),
        ("7/2", "3.5"),
        ("6/2", "3"),
        ("2**3**2", "512"),
        ("-2**2", "-4"),
        ("2*t", "2/3"),
        ("t + t + t", "1"),
        ("t / 2", "1/6"),
        ("1 // t", "3"),
        ("t * 0.5", "0.166666667"),
        ("d * 2", "5"),
        ("0.1 + 0.2", "0.3"),
        ("round(2.5)", "2"),
        ("round(0.125, 2)", "0.12"),
        ("int(-3.7)", "-3"),
        ("int('12') + 1", "13"),
        ("1 < 2 < 3", "True"),
        ("1 < 3 < 2", "False"),
        ("not 1 == 1 or 2 != 2", "False"),
        ("7 if w == \"week\" else 30", "7"),
        ("is_int(3 * t)", "True"),
        ("is_int(2.9999999)", "True"),
        ("divides(12, 5)", "False"),
        ("divides(12, 0)", "False"),
        ("Fraction(0.75)", "3/4"),
        ("Fraction(1/3)", "1/3"),
        ("ensure_int(2.9999999)", "3"),
        ("[1, 2, 3][-1]", "3"),
        ("plural(1, 'coin', 'coins')", "coin"),
        ("plural(22, 'рік', 'роки', 'років')", "роки"),
        ("plural(12, 'рік', 'роки', 'років')", "років"),
        ("len([1, (2, 3)])", "2"),
        ("१२ + १", "13"),
        ("1 / 0", "error: division by zero"),
        ("9223372036854775807 + 1", "error: a number is too large"),
        ("nothing", "error: `nothing` is not defined"),
        ("sample([1])", "error: a draw where none may be"),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn sentences_start_with_capitals_where_words_were_filled_in() {
    assert_eq!(
        steps::tidy(" apples cost 3.5 coins. plums do!  eve\n\n x is 2 ", true),
        "Apples cost 3.5 coins. Plums do!  Eve\nX is 2"
    );
    assert_eq!(steps::tidy("a lb. of tea\n", false), "a lb. of tea");
}

/// What a mark of a solution states, where it comes out.
#[test]
fn marks_state_their_result() {
    assert_eq!(
        (mark_result("48/2=24"), mark_result("(2+3)*4=5*4=20"), mark_result("1/3=0.33")),
        (Some(24.0), Some(20.0), Some(0.33))
    );
    for wrong in ["48/2=23", "5*5=5*4=20", "48/2", "two=2", ""] {
        assert_eq!(mark_result(wrong), None, "{wrong}");
    }
}
