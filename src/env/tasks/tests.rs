use super::vocab::question;
use super::*;
use std::collections::{BTreeMap, BTreeSet};

const DRAWS: usize = 400;
const DOCUMENTS: u32 = 4_000;

fn pairs(task: Task) -> impl Iterator<Item = Pair> {
    let mut rng = Stream::named(&["tests", "tasks", task.name()]);
    (0..DRAWS).map(move |_| task.pair(&mut rng))
}

fn counts(text: &[u32]) -> BTreeMap<u32, i64> {
    let mut counts = BTreeMap::new();
    text.iter().for_each(|t| *counts.entry(*t).or_default() += 1);
    counts
}

#[test]
fn the_table_is_in_order_and_names_are_the_variants() {
    assert!(Task::ALL.len() >= 22);
    for (i, task) in Task::ALL.into_iter().enumerate() {
        assert_eq!(task as usize, i);
        assert_eq!(serde_json::to_string(&task).expect("JSON"), format!("{:?}", task.name()));
        assert_eq!(spell(&[task.question()]), format!("{}?", task.name()));
    }
    let questions: BTreeSet<u32> = Task::ALL.into_iter().map(Task::question).collect();
    assert_eq!(questions.len(), Task::ALL.len());
}

/// Twins: one length, few tokens apart, no question or answer inside.
#[test]
fn every_pair_is_labelled_right_and_fits() {
    for task in Task::ALL {
        for (yes, no) in pairs(task) {
            assert!(task.answer(&yes) && !task.answer(&no), "{task:?}: {} | {}", spell(&yes), spell(&no));
            assert_eq!(yes.len(), no.len(), "{task:?}");
            assert!((TEXT_MIN..=TEXT_MAX).contains(&yes.len()), "{task:?}: {}", spell(&yes));
            let plain = |t: &u32| *t == SEPARATOR || (question(Task::Contradicts) + 1..VOCAB as u32).contains(t);
            assert!(yes.iter().chain(&no).all(plain), "{task:?}: {} | {}", spell(&yes), spell(&no));
            let apart = yes.iter().zip(&no).filter(|(a, b)| a != b).count();
            // a negation that wanders moves the words between
            let most = if task == Task::Sleeps { TEXT_MAX } else { 4 };
            assert!((1..=most).contains(&apart), "{task:?}: {} | {}", spell(&yes), spell(&no));
        }
    }
}

/// What the tokens alone tell. Where the question is not about how many of a token there are, the twins have the same tokens, or no token
/// is more frequent in one class than in the other by more than chance allows.
#[test]
fn token_counts_betray_nothing_but_what_is_asked() {
    use Task::{Contains, EndsEven, Majority, MostlyLarge, MostlyPlural, Repeated};
    for task in Task::ALL {
        if matches!(task, Contains | Majority | MostlyLarge | MostlyPlural | Repeated | EndsEven) {
            continue;
        }
        // (mean difference, its square), by token
        let mut moments: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
        for (yes, no) in pairs(task) {
            let (yes, no) = (counts(&yes), counts(&no));
            for token in 0..VOCAB as u32 {
                let gap = yes.get(&token).unwrap_or(&0) - no.get(&token).unwrap_or(&0);
                let (sum, squares) = moments.entry(token).or_default();
                *sum += gap as f64;
                *squares += (gap * gap) as f64;
            }
        }
        for (token, (sum, squares)) in moments {
            // sums of independent differences of mean zero; 96 tokens of 19 tasks: alpha 0.05 in all at 4.2 standard deviations
            let quantifier =
                matches!(task, Task::Entails | Task::Contradicts) && [vocab::ALL, vocab::SOME].contains(&token);
            assert!(
                quantifier || sum.abs() <= 4.2 * squares.sqrt(),
                "{task:?} {}: {sum} of {squares}",
                spell(&[token])
            );
        }
    }
}

#[test]
fn answers_by_hand() {
    let tokens: BTreeMap<String, u32> = (0..VOCAB as u32).map(|t| (spell(&[t]), t)).collect();
    let read = |text: &str| text.split(' ').map(|w| tokens[w]).collect::<Vec<u32>>();
    for (task, text, answer) in [
        (Task::Contains, "b c d a", true),
        (Task::Order, "c a b a", true),
        (Task::Order, "c b a", false),
        (Task::Order, "a c", false),
        (Task::Majority, "a b a b", false),
        (Task::Parity, "b c d", true),
        (Task::Parity, "a c a a", false),
        (Task::Doubled, "a b a", false),
        (Task::Palindrome, "a b c b a", true),
        (Task::Falls, "3 9 3", false),
        (Task::EndsEven, "3 2 9", true),
        (Task::Sorted, "1 1 4 9", true),
        (Task::EarlyMaximum, "1 7 3 7", true),
        (Task::EarlyMaximum, "1 6 3 7", false),
        (Task::Repeated, "1 2 3 1", true),
        (Task::MostlyLarge, "5 4 5", true),
        (Task::Balanced, "( [ ) ]", true),
        (Task::Balanced, "( ) ) (", false),
        (Task::Deep, "( ( ) ( [ ) ] )", true),
        (Task::Deep, "( ( ) ) ( ( ) )", false),
        (Task::Enclosed, "( ( ) ( ) )", true),
        (Task::Enclosed, "( ) ( )", false),
        (Task::Nested, "( [ ] ) [ ]", true),
        (Task::Nested, "( [ ) ]", false),
        (Task::Agreement, "the dog near the cats sleeps and the foxes run", true),
        (Task::Agreement, "the dog near the cats sleep and the foxes run", false),
        (Task::Sleeps, "the dog near the cats never sleeps and the fox runs", false),
        (Task::Sleeps, "the dog near the cats sleeps and the fox never runs", true),
        (Task::DogActs, "the fox near the dog runs and the cat sings", false),
        (Task::DogActs, "the fox near the dog runs and the dogs sing", true),
        (Task::MostlyPlural, "the fox near the dogs runs and the cats sing", true),
        (Task::Paraphrase, "the dog chased the tall cat ; the cat was chased by the dog", true),
        (Task::Paraphrase, "the dog chased the cat ; the cat chased the dog", false),
        (Task::Comparison, "anna taller ben and carla shorter ben ; anna taller carla", true),
        (Task::Comparison, "anna taller ben and carla taller ben ; anna taller carla", false),
        (Task::Inherits, "all dogs are tall and all cats are red and anna is cat ; anna is red", true),
        (Task::Inherits, "all dogs are tall and all cats are red and anna is cat ; anna is tall", false),
        (Task::Entails, "all dogs aren't tall and some cats are red ; some dogs aren't tall", true),
        (Task::Entails, "some dogs are tall and all cats are tall ; all dogs are tall", false),
        (Task::Contradicts, "some dogs are tall and all cats are red ; all dogs aren't tall", true),
        (Task::Contradicts, "some dogs are tall and all cats are red ; some dogs aren't tall", false),
    ] {
        assert_eq!(task.answer(&read(text)), answer, "{task:?} {text}");
    }
}

fn mixture(comments: f64, reliability: f64, further: f64) -> Mixture {
    Mixture { tasks: Task::ALL.into(), comments, reliability, further }
}

/// A document's text, and its questions with their answers.
fn read(document: &[u32]) -> (&[u32], Vec<(Task, bool)>) {
    let asked = |t: &u32| Task::ALL.iter().copied().find(|task| task.question() == *t);
    let end = document.iter().position(|t| asked(t).is_some()).unwrap_or(document.len() - 1);
    let questions = document[end..document.len() - 1].chunks_exact(2);
    let answered = questions.map(|c| (asked(&c[0]).expect("a question"), c[1] == YES)).collect();
    (&document[1..end], answered)
}

#[test]
fn documents_ask_and_answer_as_the_mixture_says() {
    let mut rng = Stream::named(&["tests", "tasks", "documents"]);
    let (mut asked, mut right, mut yes, mut answers) = ([0_u32; 4], 0, 0, 0);
    for _ in 0..DOCUMENTS {
        let document = document(&mixture(0.6, 0.9, 0.5), &mut rng);
        assert!(document[0] == BEGIN && document[document.len() - 1] == END && document.len() <= DOCUMENT_MAX);
        assert!(document[1..document.len() - 1].iter().all(|t| *t != BEGIN && *t != END));
        let (text, answered) = read(&document);
        asked[answered.len()] += 1;
        yes += u32::from(answered.first().is_some_and(|(_, answer)| *answer));
        answers += answered.len();
        right += answered.iter().filter(|(task, answer)| task.answer(text) == *answer).count();
        let tasks: BTreeSet<Task> = answered.iter().map(|a| a.0).collect();
        assert!(tasks.len() == answered.len() && answered.iter().all(|a| a.0.genre() == answered[0].0.genre()));
    }
    // each within 4 standard deviations
    let near = |count: f64, of: f64, p: f64| assert!((count - of * p).abs() < 4.0 * (of * p * (1.0 - p)).sqrt());
    near(f64::from(asked[0]), f64::from(DOCUMENTS), 0.4);
    near(right as f64, answers as f64, 0.9);
    near(f64::from(yes), f64::from(DOCUMENTS - asked[0]), 0.5);
    assert!(asked.iter().all(|n| *n > 100), "{asked:?}");
    let silent = document(&mixture(0.0, 1.0, 1.0), &mut rng);
    assert!(read(&silent).1.is_empty());
}

#[test]
fn mixtures_are_checked() {
    assert!(mixture(0.5, 1.0, 0.0).validate().is_ok());
    let message = |m: Mixture| m.validate().expect_err("a mistake").to_string();
    assert_eq!(message(mixture(1.5, 1.0, 0.0)), "parameter comments = 1.5: must be between 0 and 1");
    assert!(message(mixture(0.5, f64::NAN, 0.0)).starts_with("parameter reliability"));
    let twice = Mixture { tasks: vec![Task::Deep, Task::Deep], ..mixture(0.5, 1.0, 0.0) };
    assert!(message(twice).contains("deep deep"));
    assert!(Mixture { tasks: vec![], ..mixture(0.5, 1.0, 0.0) }.validate().is_err());
}

/// Recorded from the first version: pretrained models and results hang on these.
/// Recorded from the first version: pretrained models and results hang on these.
#[test]
fn values_are_stable() {
    let mut rng = Stream::named(&["tests", "tasks", "stable"]);
    let drawn = [Task::Deep, Task::MostlyPlural, Task::Entails].map(|t| spell(&t.pair(&mut rng).0));
    let documents = [(); 3].map(|()| spell(&document(&mixture(0.8, 0.9, 0.5), &mut rng)));
    // one number for twenty pairs of every task: FNV-1a of their tokens
    let fnv = |hash: u64, t: u32| (hash ^ u64::from(t)).wrapping_mul(0x0100_0000_01b3);
    let twenty = Task::ALL.into_iter().flat_map(|t| [t; 20]);
    let tokens = twenty.flat_map(|t| <[_; 2]>::from(t.pair(&mut rng))).flatten();
    let hash = tokens.fold(0xcbf2_9ce4_8422_2325, fnv);
    assert_eq!(
        drawn,
        [
            "( ) ( ( ( ) ) )",
            "the cats sleep and the dog near the birds runs",
            "all cats are old and all birds aren't wild ; all cats are old",
        ]
    );
    assert_eq!(
        documents,
        [
            "<begin> b a a c f b g b majority? yes <end>",
            "<begin> the bird near the dogs never sleeps and the birds near the cats run sleeps? no mostly_plural? yes \
             agreement? no <end>",
            "<begin> 3 0 1 4 1 3 1 3 2 1 <end>",
        ]
    );
    assert_eq!(hash, 612_845_532_911_125_069);
}
