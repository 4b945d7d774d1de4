//! The tasks: what they generate, and rewards under attack.

use super::*;

#[test]
fn smoke() {
    let mut rng = Stream::named(&["tests", "text"]);
    for task in TASKS {
        for _ in 0..200 {
            let input = task.input(Split::Train, &mut rng);
            assert!(input.prompt.len() <= PROMPT_MAX, "{}", decode(&input.prompt));
            for r in &input.references {
                assert!(r.len() <= OUTPUT_MAX, "{}", decode(r));
                assert!(input.reward(r) > 0.4, "{} {}", input.reward(r), decode(r));
            }
        }
    }
    for _ in 0..30 {
        println!("{}", decode(&plain_text(&mut rng).tokens));
    }
}
