//! A tiny model made on the fly, as a Hugging Face folder: bytes for tokens, two end tokens, a chat template.

use rewardlab::lm::{Config, Size, init, save_model};
use rewardlab::rng::Stream;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// Ends a text and a turn, begins a text.
pub(crate) const SPECIAL: [&str; 3] = ["<end>", "<turn>", "<begin>"];

const TEMPLATE: &str = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '<turn>' + '\\n' }}{% endfor %}\
                        {% if add_generation_prompt %}assistant: {% endif %}";

/// The characters that stand for bytes in byte-level vocabularies, as GPT-2 chose them.
fn alphabet() -> Vec<char> {
    let printable = |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
    let mut next = 256;
    let of = |b: u32| {
        let code = if printable(b) {
            b
        } else {
            next += 1;
            next - 1
        };
        char::from_u32(code).expect("a character")
    };
    (0..256).map(of).collect()
}

/// Writes a Llama of these sizes with random weights.
pub(crate) fn write(folder: &Path, width: usize, layers: usize, context: usize) {
    let vocab = 256 + SPECIAL.len();
    let config = Config { tied: true, ..Config::llama(Size { vocab, width, layers, heads: 4, context }) };
    let params = init(&config, 0.1, &mut Stream::named(&["tests", "tiny"])).expect("a layout");
    save_model(folder, &config, &params).expect("written");
    let mut vocabulary: Map<String, Value> =
        alphabet().into_iter().enumerate().map(|(i, c)| (c.to_string(), json!(i))).collect();
    let mut added = Vec::new();
    for (i, name) in SPECIAL.iter().enumerate() {
        vocabulary.insert((*name).into(), json!(256 + i));
        added.push(json!({"id": 256 + i, "content": name, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}));
    }
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": level, "post_processor": null, "decoder": level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []},
    });
    let write = |name: &str, json: &Value| fs::write(folder.join(name), json.to_string()).expect("written");
    write("tokenizer.json", &tokenizer);
    write("generation_config.json", &json!({"bos_token_id": 258, "eos_token_id": [256, 257]}));
    write("tokenizer_config.json", &json!({"bos_token": "<begin>", "eos_token": "<end>", "chat_template": TEMPLATE}));
}
