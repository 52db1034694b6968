#!/usr/bin/env bash
# Makes .venv: the locked dependencies (hashes required) and Aegis itself, editable.
# Does nothing where the lock, pyproject.toml, the Python and this directory are unchanged.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/.aegis-setup
log=$venv/setup.log

die() {
  printf 'setup: %s\n' "$1" >&2
  exit 1
}

old_enough='import sys; sys.exit(sys.version_info < (3, 11))'

# The lock is resolved for 3.11, so 3.11 is taken first; PYTHON=... overrides.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$old_enough" 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python 3.11 or newer on PATH; install python3.11, or name one: make setup PYTHON=/path/to/python"
}

fingerprint() {
  { cat requirements.lock pyproject.toml; pwd; "$venv/bin/python" -V; } | git hash-object --stdin
}

run() {
  local what=$1
  shift
  if ! "$@" >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "$what failed; the whole output is in $log. A network or index problem? Fix it and run make setup again"
  fi
}

command -v git >/dev/null 2>&1 || die "git is needed; install it"

if [ -x $venv/bin/python ] && $venv/bin/python -c "$old_enough" 2>/dev/null; then
  [ -f $stamp ] && [ "$(cat $stamp)" = "$(fingerprint)" ] && exit 0
else
  rm -rf $venv
  python=$(find_python)
  echo "setup: making $venv with $("$python" -V)"
  "$python" -m venv $venv || die "could not make $venv; on Debian and Ubuntu install python3.11-venv"
fi

: >"$log"
$venv/bin/python -m pip --version >/dev/null 2>&1 || run "adding pip" $venv/bin/python -m ensurepip
pip=($venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input)
echo "setup: installing requirements.lock (a minute or two the first time)"
# The lock is complete, so nothing is resolved again: pip would ask the index for `name[extra]`, find
# a release newer than the one locked, and stop because that one has no hash here.
run "installing requirements.lock" "${pip[@]}" --no-deps --require-hashes -r requirements.lock
run "installing aegis" "${pip[@]}" --no-deps --no-build-isolation --editable .
fingerprint >$stamp
echo "setup: done; the command is $venv/bin/aegis"
