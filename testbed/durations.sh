#!/usr/bin/env bash
# How long each test of the last run with a profile of nextest took, the slowest first, out of the JUnit file that it wrote.
set -euo pipefail
# Always there, wherever cargo puts what it builds.
report=target/nextest/${1:-default}/junit.xml
[ -f "$report" ] || { echo "durations: $report is not there; nextest writes it at the end of a run" >&2; exit 1; }
echo "seconds  test"
sed -n 's/.*<testcase name="\([^"]*\)" classname="\([^"]*\)".* time="\([0-9.]*\)".*/\3 \2 \1/p' "$report" |
  sort -rn | awk '{printf "%7.1f  %s %s\n", $1, $2, $3; sum += $1} END {printf "%7.1f  %d tests, one after the other\n", sum, NR}'
