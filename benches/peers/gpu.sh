#!/usr/bin/env bash
# Times generation and training steps of a model of SmolLM2-135M's shape in rewardlab and in Hugging Face Transformers on one GPU, in one
# run, and prints the table: seconds, tokens per second, share of the card's ceiling, ratio. Needs Python with torch, transformers and, for
# adapters, peft (PYTHON=path/to/python). BENCH=path/to/peers_gpu takes a program that was built elsewhere.
#   benches/peers/gpu.sh                                          the first GPU
#   benches/peers/gpu.sh --device candle-cpu --tiny               no GPU: shows that everything works
set -euo pipefail
cd "$(dirname "$0")"
case " $* " in *" --device "*) arguments=("$@") ;; *) arguments=(--device cuda "$@") ;; esac
features=(); case " ${arguments[*]} " in *cuda*) features=(--features cuda) ;; esac
ours() {
  if [ -n "${BENCH:-}" ]; then "$BENCH" "${arguments[@]}"; else
    cargo bench --quiet "${features[@]}" --bench peers_gpu -- "${arguments[@]}"
  fi
}
ours | grep '^{' | "${PYTHON:-python3}" gpu.py "${arguments[@]}"
