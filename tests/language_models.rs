//! Published models as they come: GGUF files against the same weights in safetensors (`tests/golden/gguf/make.py` wrote them
//! with the reference writer), saved folders, chat templates, tokenisers, and every wrong file as one line of error.

use rewardlab::lm::gguf::Gguf;
use rewardlab::lm::{
    ChatTemplate, Config, Family, LanguageModel, Message, Precision, Tokenizer, load_model, read_weights,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// (GGUF's name, folder of the same weights)
const MODELS: [(&str, &str); 5] =
    [("llama", "llama"), ("qwen2", "qwen2"), ("qwen3", "qwen3"), ("gpt2", "gpt2"), ("gptneox", "gpt_neox")];

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

fn gguf(name: &str) -> PathBuf {
    golden("gguf").join(format!("{name}.gguf"))
}

#[test]
fn a_gguf_file_has_the_config_and_the_weights_of_its_safetensors() {
    for (name, folder) in MODELS {
        let (config, params) = load_model(&golden("lm").join(folder), &[]).expect("a model");
        let model = LanguageModel::load(&gguf(name)).expect("a model");
        assert_eq!(model.config, config, "{name}");
        assert!(model.params == params, "{name}: other weights");
    }
}

#[test]
fn every_tensor_type_is_decoded_as_the_reference_decodes_it() {
    let theirs = fs::read(golden("gguf/types.safetensors")).expect("golden values");
    let theirs = safetensors::SafeTensors::deserialize(&theirs).expect("safetensors");
    let file = Gguf::open(&gguf("types")).expect("a header");
    assert_eq!(file.tensors().len(), 13);
    for (name, info) in file.tensors() {
        assert_eq!(info.kind.name(), name);
        let ours = file.floats(name).expect("decoded");
        let view = theirs.tensor(name).expect("golden values");
        let view = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
        let gap = ours.iter().zip(view).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // they multiply and add in another order
        assert!(gap <= 1e-6, "{name}: {gap}");
    }
}

#[test]
fn tokenisers_of_gguf_files_split_and_merge() {
    let of = |name: &str| LanguageModel::load(&gguf(name)).expect("a model").tokenizer;
    for (name, _) in MODELS {
        let tokenizer = of(name);
        let ids = tokenizer.encode_part("the hat</s> the").expect("encoded");
        let tokens: Vec<_> = ids.iter().map(|id| tokenizer.token(*id).expect("a token")).collect();
        let words = if name == "llama" {
            // a piece that is no token as a whole is merged, in the order of the merges
            ["the", "Ġ", "h", "a", "t", "</s>", "Ġ", "the"]
        } else {
            ["the", "Ġ", "h", "a", "t", "</s>", "Ġ", "the"]
        };
        assert_eq!(tokens, words, "{name}");
        assert_eq!(tokenizer.decode(&ids).expect("known"), "the hat the");
        assert_eq!(tokenizer.decode_all(&ids).expect("known"), "the hat</s> the");
        assert_eq!(tokenizer.special().eos, [1]);
        let begins = tokenizer.encode("the").expect("encoded").len() == 2;
        assert_eq!(begins, name == "llama", "{name}: only llama-bpe puts a token before every text");
        let message = tokenizer.decode(&[29]).expect_err("no such token").to_string();
        assert_eq!(message, "parameter token = 29: must be below the 29 tokens of the vocabulary");
    }
}

#[test]
fn a_saved_language_model_is_read_back() {
    for (name, _) in MODELS {
        let model = LanguageModel::load(&gguf(name)).expect("a model");
        let scratch = tempfile::tempdir().expect("a folder");
        model.save(scratch.path(), Precision::F32).expect("saved");
        let back = LanguageModel::load(scratch.path()).expect("read back");
        assert_eq!((&back.config, back.tokenizer.special()), (&model.config, model.tokenizer.special()), "{name}");
        assert!(back.params == model.params, "{name}");
        let chat = [Message::user(" the hat "), Message::assistant("the")];
        let ids = |m: &LanguageModel| m.encode_chat(&chat, true).expect("rendered");
        assert_eq!(ids(&back), ids(&model), "{name}");
        let text = "the hat</s> th";
        let ids = |m: &LanguageModel| m.tokenizer.encode(text).expect("encoded");
        assert_eq!(ids(&back), ids(&model), "{name}");

        model.save(scratch.path(), Precision::Bf16).expect("saved");
        let half = LanguageModel::load(scratch.path()).expect("read back");
        let gaps = half.params.iter().zip(&model.params).map(|(a, b)| (a - b).abs() - b.abs() / 256.0);
        assert!(gaps.fold(f32::MIN, f32::max) <= 0.0, "{name}: more than rounding");
        assert!(half.params != model.params, "{name}: not rounded");
        let names: Vec<_> =
            fs::read_dir(scratch.path()).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
        assert_eq!(names.len(), 5, "{name}: {names:?}");
    }
}

#[test]
fn weights_in_several_files_and_in_half_precision() {
    let model = LanguageModel::load(&gguf("llama")).expect("a model");
    let scratch = tempfile::tempdir().expect("a folder");
    model.save(scratch.path(), Precision::F32).expect("saved");
    let bytes = fs::read(scratch.path().join("model.safetensors")).expect("saved");
    let all = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut map = serde_json::Map::new();
    let (first, second): (Vec<_>, Vec<_>) = all.tensors().into_iter().enumerate().partition(|(i, _)| i % 2 == 0);
    for (name, part) in [("a.safetensors", first), ("b.safetensors", second)] {
        let views: Vec<_> = part.into_iter().map(|(_, t)| t).collect();
        views.iter().for_each(|(tensor, _)| drop(map.insert(tensor.clone(), name.into())));
        fs::write(scratch.path().join(name), safetensors::serialize(views, None).expect("bytes")).expect("written");
    }
    fs::remove_file(scratch.path().join("model.safetensors")).expect("removed");
    let index = scratch.path().join("model.safetensors.index.json");
    fs::write(&index, serde_json::json!({"weight_map": map}).to_string()).expect("written");
    assert!(LanguageModel::load(scratch.path()).expect("a model").params == model.params);
    fs::remove_file(scratch.path().join("b.safetensors")).expect("removed");
    let message = LanguageModel::load(scratch.path()).expect_err("half is gone").to_string();
    assert!(message.contains("b.safetensors") && !message.contains('\n'), "{message}");

    // f16, written by hand: every value of the model rounds to one that f32 holds
    let config = &model.config;
    let layout = rewardlab::lm::Layout::new(config).expect("legal");
    let halves: Vec<Vec<u8>> = layout
        .tensors
        .iter()
        .map(|t| model.params[t.range.clone()].iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect())
        .collect();
    let views = layout.tensors.iter().zip(&halves).map(|(t, bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F16, t.shape.clone(), bytes);
        (t.name.clone(), view.expect("fits"))
    });
    let path = scratch.path().join("half.safetensors");
    fs::write(&path, safetensors::serialize(views, None).expect("bytes")).expect("written");
    let mut params = vec![0.0; layout.len()];
    read_weights(&[path], config, &layout, &mut params).expect("read");
    assert!(params.iter().zip(&model.params).all(|(a, b)| *a == half::f16::from_f32(*b).to_f32()));
}

/// The error of a folder whose files are the saved llama's, with one of them edited.
fn refused(file: &str, edit: impl Fn(String) -> String) -> String {
    let scratch = tempfile::tempdir().expect("a folder");
    LanguageModel::load(&gguf("llama")).expect("a model").save(scratch.path(), Precision::F32).expect("saved");
    let path = scratch.path().join(file);
    fs::write(&path, edit(fs::read_to_string(&path).expect("text"))).expect("written");
    let message = LanguageModel::load(scratch.path()).expect_err("refused").to_string();
    assert!(message.contains(file) && !message.contains('\n'), "{message}");
    message
}

#[test]
fn wrong_folders_are_one_line_of_error() {
    let message = refused("config.json", |t| t.replace("\"llama\"", "\"mamba\""));
    assert!(message.contains("\"mamba\", expected gpt2, gpt_neox, llama, mistral, qwen2 or qwen3"), "{message}");
    let message =
        refused("config.json", |t| t.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000000"));
    assert!(message.contains("layers"), "{message}");
    let message = refused("tokenizer.json", |t| t.replace("\"the\":", "\"thx\":"));
    assert!(message.contains("tokenizer.json, tokenizer: "), "{message}");
    let message = refused("tokenizer.json", |t| t[..t.len() - 9].to_owned());
    assert!(message.contains("tokenizer.json, JSON: "), "{message}");
    let message = refused("tokenizer.json", |t| t.replace("\"the\":27", "\"the\":99"));
    assert!(message.contains("id 99, but the model has 29 tokens"), "{message}");
    let message = refused("generation_config.json", |t| t.replace("\"eos_token_id\": 1", "\"eos_token_id\": 29"));
    assert!(message.contains("eos_token_id: 29, expected a token below the model's 29"), "{message}");
    let message = refused("tokenizer_config.json", |t| t.replace("{% for", "{% fro"));
    assert!(message.contains("chat_template"), "{message}");
}

/// A model without its last block writes other text: a file that has more than the config says is refused.
#[test]
fn a_block_too_many_is_refused() {
    let scratch = tempfile::tempdir().expect("a folder");
    LanguageModel::load(&gguf("llama")).expect("a model").save(scratch.path(), Precision::F32).expect("saved");
    let path = scratch.path().join("config.json");
    let config = fs::read_to_string(&path).expect("text");
    let fewer = config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    assert!(fewer != config);
    fs::write(&path, fewer).expect("written");
    let message = LanguageModel::load(scratch.path()).expect_err("refused").to_string();
    assert!(message.contains("model.safetensors, model.layers.1.") && !message.contains('\n'), "{message}");
}

#[test]
fn mistral_is_llama_unless_its_window_slides() {
    let base = r#"{"model_type": "mistral", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 64, "num_key_value_heads": 2, "sliding_window": null}"#;
    let read = |text: &str| Config::from_hf(Path::new("config.json"), text);
    let config = read(base).expect("no window");
    assert_eq!((config.family, config.kv_heads, config.context), (Family::Llama, 2, 64));
    assert_eq!(read(&base.replace("null", "64")).expect("a window as long as the context"), config);
    let message = read(&base.replace("null", "32")).expect_err("slides").to_string();
    assert!(message.contains("sliding_window: 32, expected null or at least"), "{message}");
    // Transformers' default is a window of 4096
    let silent = base.replace(", \"sliding_window\": null", "").replace("64", "8192");
    let message = read(&silent).expect_err("slides").to_string();
    assert!(message.contains("sliding_window"), "{message}");
}

#[test]
fn chat_templates_render_as_transformers_does() {
    let template = |source: &str| {
        let tokens = BTreeMap::from([("eos_token".to_owned(), "</s>".to_owned())]);
        ChatTemplate::new(Path::new("template"), source.to_owned(), tokens)
    };
    let chat = [Message::system(" Be brief. "), Message::user("Hi"), Message::assistant("Hello")];
    let source = "{%- if messages[0]['role'] == 'system' %}\n    {%- set first = messages[0].content.strip() %}\n{% endif %}\n\
        {% for m in messages[1:] %}\n  {% if m.role == 'user' %}\n[{{ first }}|{{ m['content'] | trim }}]\n  {% else %}\n\
        {{ m.content + eos_token }}\n  {% endif %}\n{% endfor %}\n{% if add_generation_prompt %}>{% endif %}";
    let template_of = template(source).expect("Jinja");
    let text = template_of.render(&chat, true).expect("rendered");
    assert_eq!(text, "[Be brief.|Hi]\nHello</s>\n>");
    let json = template("{{ messages | tojson }}").expect("Jinja").render(&chat[1..2], false).expect("rendered");
    assert_eq!(json, r#"[{"content": "Hi", "role": "user"}]"#);
    let raises = template("{{ raise_exception('roles must alternate') }}").expect("Jinja");
    let message = raises.render(&chat, false).expect_err("raised").to_string();
    assert!(message.contains("roles must alternate") && !message.contains('\n'), "{message}");
    let endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}";
    assert!(template(endless).expect("Jinja").render(&chat, false).is_err(), "a template may not run for ever");
    assert!(template("{% for").is_err());
}

#[test]
fn wrong_gguf_files_are_one_line_of_error() {
    let bytes = fs::read(gguf("llama")).expect("a model");
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("model.gguf");
    let load = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        let message = LanguageModel::load(&path).expect_err("refused").to_string();
        assert!(message.contains("model.gguf") && !message.contains('\n'), "{message}");
        message
    };
    // texts of the same length in place
    let edited = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("is there");
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        load(&bytes)
    };
    assert!(load(&[]).contains("needs 4 bytes"));
    assert!(load(b"GGML\x03\0\0\0").contains("expected \"GGUF\""));
    let message = load(&bytes[..bytes.len() - 1]);
    assert!(message.contains("beyond the file's"), "{message}");
    let message = load(&bytes[..600]);
    assert!(message.contains("but the header has"), "{message}");
    let mut mamba = bytes.clone();
    let at = bytes.windows(5).position(|w| w == b"llama").expect("is there");
    mamba[at..at + 5].copy_from_slice(b"mamba");
    let message = load(&mamba);
    assert!(message.contains("\"mamba\", expected llama, qwen2, qwen3, gpt2 or gptneox"), "{message}");
    let message = edited("llama-bpe", "llama-xyz");
    assert!(message.contains("tokenizer.ggml.pre: \"llama-xyz\", expected gpt-2, smollm, qwen2"), "{message}");
    let message = edited("blk.1.ffn_down", "blk.7.ffn_down");
    assert!(message.contains("blk.1.ffn_down.weight: tensor is missing"), "{message}");
    let nan = f32::NAN.to_le_bytes();
    let mut poisoned = bytes.clone();
    let end = poisoned.len();
    poisoned[end - 4..].copy_from_slice(&nan);
    let message = load(&poisoned);
    assert!(message.contains("NaN, expected finite weights"), "{message}");
    let mut alien = fs::read(gguf("llama")).expect("a model");
    let at = alien.windows(4).position(|w| w == b"gpt2").expect("the tokeniser's kind");
    alien[at..at + 4].copy_from_slice(b"bert");
    let message = load(&alien);
    assert!(message.contains("tokenizer.ggml.model: \"bert\", expected \"gpt2\""), "{message}");
    assert!(LanguageModel::load(Path::new("no/such/model")).is_err());
    let file = Gguf::open(&gguf("llama")).expect("a header");
    assert!(Tokenizer::from_gguf(&file, 30).expect_err("other vocabulary").to_string().contains("30 tokens"));
}
