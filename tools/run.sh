#!/usr/bin/env bash
# Starts the gateway on the embedded defaults, and says what to type next.
set -euo pipefail
cd "$(dirname "$0")/.."
