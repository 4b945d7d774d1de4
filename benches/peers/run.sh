#!/usr/bin/env bash
# Times the same work in rewardlab, NumPy and PyTorch on this machine, in one run, and prints the ratios.
# Needs Python with numpy and torch (PYTHON=path/to/python); nothing else in this repository does.
set -euo pipefail
cd "$(dirname "$0")"
cargo bench --quiet --bench peers | grep '^{' | "${PYTHON:-python3}" peers.py
