#!/usr/bin/env bash
# What a newcomer does, with real installations, in a copy of this folder: five to ten minutes, 1 GB, the network.
#
#     tests/fresh_machine.sh PYTHON [OTHER_PYTHON]
#
# `make test` leaves it out; CI runs it on the oldest Python that is promised.
set -euo pipefail

python=$1
other=${2:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset PYTHONPATH PYTHON MAKEFLAGS MAKELEVEL

says() { printf '%s\n' "--- $*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

book="$scratch/Bücher und Karten" # spaces and umlauts, on purpose
mkdir "$book"
(cd "$here" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$book" 2>/dev/null) || true
cd "$book"

says "the first make book, and a second one with nothing to do"
make PYTHON="$python" book
[ -s _build/html/index.html ] || fail "no book"
before=$(stat -c %Y _build/html/index.html)
[ "$(make book | wc -l)" = 1 ] || fail "the second make book did something"
[ "$(stat -c %Y _build/html/index.html)" = "$before" ] || fail "the second make book built again"

says "a port that is taken"
"$python" -c 'import socket, time; s = socket.create_server(("127.0.0.1", 8765)); time.sleep(60)' &
taken=$!
sleep 1
make PORT=8765 serve 2>busy && fail "it served on a taken port"
kill "$taken"
grep -q "make serve PORT=" busy || fail "no remedy for a taken port: $(cat busy)"

says "an installation killed in the middle"
make clean-venv
(exec make PYTHON="$python" .venv/.book >killed.log 2>&1) &
running=$!
for _ in $(seq 600); do
  [ "$(find .venv/lib/python3*/site-packages -maxdepth 1 2>/dev/null | wc -l)" -gt 12 ] && break
  sleep 0.2
done
for process in /proc/[0-9]*; do
  if [ "$(readlink "$process/cwd" 2>/dev/null)" = "$book" ] && tr '\0' ' ' <"$process/cmdline" | grep -q -- '-m pip'; then
    kill -9 "${process#/proc/}"
  fi
done
wait "$running" && fail "it was not killed"
make PYTHON="$python" book | tee again
grep -q "interrupted" again || fail "the interrupted installation was not noticed"

says "the folder is moved"
cd "$scratch" && mv "$book" "$scratch/moved" && cd moved
make book | tee again
grep -q "made anew: it was made in" again || fail "the move was not noticed"

says "without a network, with an unsatisfied pin"
sed -i 's/^soupsieve==.*/soupsieve==0.0.1/' constraints.txt
PIP_NO_INDEX=1 make book 2>offline && fail "an impossible installation passed"
grep -q "make clean-venv" offline || fail "no remedy"
grep -qi "soupsieve" offline || fail "no cause"

if [ -n "$other" ]; then
  says "another Python, by name, and then by habit"
  cp "$here/constraints.txt" .
  make PYTHON="$other" book | tee again
  grep -q "you named" again || fail "the named Python was ignored"
  make book | tee again
  grep -q "made anew" again && fail "the named Python was forgotten"
fi

says "the package alone"
"$python" -m venv "$scratch/alone"
"$scratch/alone/bin/python" -m pip install --quiet --upgrade pip
"$scratch/alone/bin/python" -m pip install --quiet "$scratch/moved"
cd "$scratch"
"$scratch/alone/bin/python" - <<'CODE'
from rulbook.exercises import check, exercises
from rulbook.course.results import read_json

assert all(not check(number, lambda *args, **kwargs: 1.0).passed for number in exercises())
assert read_json("rul_histograms")
try:
    import rulbook.training
except ImportError as missing:
    assert 'pip install "rulbook[train]"' in str(missing), missing
else:
    raise AssertionError("PyTorch came along")
CODE
"$scratch/alone/bin/rulbook" train 2>said && fail "it trained without PyTorch"
grep -q 'rulbook\[' said || fail "no extra was named"
[ "$(wc -l <said)" = 1 ] || fail "more than one line"
says "all is well"
