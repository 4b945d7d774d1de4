#!/usr/bin/env bash
# Times training, scoring and sampling of small transformers in rewardlab and in PyTorch on this machine, in one run, and
# prints the ratios. An argument keeps the lines whose name contains it: `translator`. Needs Python with torch (PYTHON=path/to/python) and, for the compiled peer, a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")"
cargo bench --quiet --bench peers_lm -- "$@" | grep '^{' | "${PYTHON:-python3}" lm.py
