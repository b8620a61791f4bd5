# What the demos share: steps, commands that are printed before they run, waiting. Sourced at the root of the checkout.
# shellcheck shell=bash

bold=$(tput bold 2>/dev/null || true) dim=$(tput dim 2>/dev/null || true) plain=$(tput sgr0 2>/dev/null || true)
started=$SECONDS
step() { printf '\n%s== %s%s\n' "$bold" "$1" "$plain"; }
say() { printf '%s\n' "$1"; }
run() { # prints a command, then runs it in the testbed's network; it fails when any command of a pipe fails
  printf '%s$ %s%s\n' "$dim" "$1" "$plain"
  "$testbed" exec -- bash -o pipefail -c "$1"
}
run_on_reset() { # the same for a command that says by exit code 3 that the data looks reset, and must say so
  local code=0
  run "$1" || code=$?
  ((code == 3)) || fail "exit code $code instead of 3"
  say "(exit code 3: the data looks reset)"
}
quiet() { "$testbed" exec -- bash -o pipefail -c "$1"; }
fail() {
  printf '\n%s: %s\n' "$(basename "$0")" "$1" >&2
  quiet 'kubectl -n atra describe protdb knowledge; kubectl -n atra get pods,pvc,dbcheck,dbbackup; kubectl -n holdfast-system logs deploy/holdfast --tail=30' >&2 || true
  exit 1
}
wait_for() { # wait_for SECONDS WHAT COMMAND: polls until the command succeeds
  local until=$((SECONDS + $1))
  until quiet "$3" >/dev/null 2>&1; do
    ((SECONDS < until)) || fail "waited $1 s for: $2"
    sleep 0.3
  done
}
condition() { # condition TYPE STATUS: a test of a condition of the ProtectedDatabase
  printf "kubectl -n atra get protdb knowledge -o jsonpath='{.status.conditions[?(@.type==\"%s\")].status}' | grep -x %s" "$1" "$2"
}
testbed=${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n "s/^host: //p")/debug/testbed
# shellcheck disable=SC2034 # used by those that source this
count='kubectl -n atra exec knowledge-postgres-0 -c postgres -- psql -U admin -d knowledge_os -c "select (select count(*) from experts) as experts, (select count(*) from knowledge_nodes) as knowledge_nodes"'
