#!/usr/bin/env bash
# Shows the guard on the database of `make demo`: five attempts to lose it, each refused or undone. The database stays as it was.
set -euo pipefail
cd "$(dirname "$0")/.."
. demo/common.sh

cargo build --quiet --workspace
if ! quiet "$(condition Ready True)" 2>/dev/null; then
  say "There is no database to guard yet, so this runs the main demo first: make demo"
  demo/demo.sh
fi
claim=atra-knowledge-postgres-data
started=$SECONDS

refused() { # refused COMMAND: runs what must be refused
  run "$1" && fail "it was not refused: $1"
  return 0
}

step "1. Delete the claim: refused, with what would be lost and how to confirm"
refused "kubectl -n atra delete pvc $claim"

step "2. Disarm the guard: remove the label, change Retain to Delete"
volume=$(quiet "kubectl -n atra get pvc $claim -o jsonpath='{.spec.volumeName}'")
refused "kubectl -n atra label pvc $claim holdfast.dev/protected-"
refused "kubectl patch pv $volume --type=merge -p '{\"spec\":{\"persistentVolumeReclaimPolicy\":\"Delete\"}}'"

step "3. A chart upgrade without the data volume: refused before Postgres starts on an empty directory"
refused "kubectl -n atra patch statefulset knowledge-postgres --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/template/spec/volumes/0\",\"value\":{\"name\":\"data\",\"emptyDir\":{}}}]'"

step "4. Delete the namespace while the operator is scaled to 0"
run "kubectl -n holdfast-system scale deployment holdfast --replicas=0"
quiet "kubectl -n holdfast-system wait --for=delete pod --all --timeout=60s"
refused "kubectl delete namespace atra"
run "kubectl -n holdfast-system scale deployment holdfast --replicas=1"
wait_for 60 "the operator" "kubectl -n holdfast-system rollout status deployment/holdfast --timeout=1s"

step "5. Delete the policy that refuses: the operator restores it and reports it"
run "kubectl delete validatingadmissionpolicybinding holdfast-deletion-guard"
wait_for 30 "the binding to be back" "kubectl get validatingadmissionpolicybinding holdfast-deletion-guard"
wait_for 30 "deletions to be refused again" "$(condition Guarded True) && ! kubectl -n atra delete protdb knowledge --dry-run=server"
run "kubectl -n default get events --field-selector reason=PolicyMissing -o custom-columns='REASON:.reason,MESSAGE:.message' | tail -n 2"

step "6. The PersistentVolume is deleted anyway: confirmed, its finalizers removed by force"
quiet "kubectl annotate pv $volume --overwrite holdfast.dev/confirm-deletion=\$(kubectl get pv $volume -o jsonpath='{.metadata.uid}')/\$(date -u +%FT%TZ)" >/dev/null
run "kubectl delete pv $volume --wait=false"
quiet "kubectl patch pv $volume --type=merge -p '{\"metadata\":{\"finalizers\":null}}'" >/dev/null 2>&1 || true
wait_for 60 "the claim to be Lost" "kubectl -n atra get pvc $claim -o jsonpath='{.status.phase}' | grep -x Lost"
run "kubectl -n atra get pvc $claim"
say "The ledger has its manifest, and one command recreates it:"
run "kubectl holdfast recover knowledge -n atra"
run "kubectl -n atra get pvc $claim"
say "The data is still there:"
run "$count"
wait_for 60 "everything to be green" "$(condition Ready True)"
run "kubectl -n atra get protdb"

printf '\n%sDone in %s s.%s docs/guard.md has the whole table.\n' "$bold" "$((SECONDS - started))" "$plain"
