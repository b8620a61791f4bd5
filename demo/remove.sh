#!/usr/bin/env bash
# Removes the database of the demo: confirms and releases it, then deletes the namespace and its volumes.
# Run it in the testbed's network: cargo run -p testbed -- exec -- demo/remove.sh
set -euo pipefail

if kubectl -n atra get protdb knowledge >/dev/null 2>&1; then
  uid=$(kubectl -n atra get protdb knowledge -o jsonpath='{.metadata.uid}')
  kubectl -n atra annotate protdb knowledge "holdfast.dev/confirm-deletion=$uid/$(date -u +%FT%TZ)" --overwrite
  kubectl -n atra delete protdb knowledge --timeout=60s
fi
# Otherwise the next database of this name would be compared with this one.
kubectl delete dbledger atra.knowledge --ignore-not-found
volumes=$(kubectl get pv -o jsonpath='{range .items[?(@.spec.claimRef.namespace=="atra")]}{.metadata.name}{" "}{end}')
kubectl delete namespace atra --timeout=120s
for volume in $volumes; do
  kubectl delete pv "$volume" --timeout=60s
done
