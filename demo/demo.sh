#!/usr/bin/env bash
# Shows the main job: protect, verify, back up, refuse a deletion, notice a switched volume, recover the data; lose rows, restore
# them from the backup.
# Every command is printed as you would type it in the shell that `cargo run -p testbed -- exec -- bash` opens.
set -euo pipefail
cd "$(dirname "$0")/.."

. demo/common.sh

step "1. Start a real Kubernetes, a real Postgres image and a real S3 server, in their own network"
say "Building the testbed first; this takes minutes only the first time …"
cargo build --workspace
"$testbed" up --only demo
"$testbed" deploy
information=$("$testbed" info)
value() { python3 -c 'import json,sys; value=json.loads(sys.argv[1])
for key in sys.argv[2].split("."): value=value[key]
print(value)' "$information" "$1"; }
S3_ENDPOINT=$(value s3.endpoint) S3_REGION=$(value s3.region) S3_BUCKET=$(value s3.bucket)
# One per run: a database that has backups in the bucket would be compared with them.
S3_PREFIX=demo/$(date +%s)
S3_ACCESS_KEY_ID=$(value s3.accessKeyId) S3_SECRET_ACCESS_KEY=$(value s3.secretAccessKey)

if quiet 'kubectl get namespace atra' >/dev/null 2>&1; then
  step "   The demo ran here before: release and delete its database"
  quiet './demo/remove.sh' || fail "could not remove what the last run left; start from nothing with: cargo run -p testbed -- down"
fi

step "2. Start an ordinary database: 85 experts, 26,337 knowledge nodes"
run 'kubectl apply -f examples/knowledge/database.yaml'
wait_for 120 "the Postgres pod to be ready" 'kubectl -n atra wait --for=condition=Ready pod/knowledge-postgres-0 --timeout=1s'
run 'kubectl -n atra exec -i knowledge-postgres-0 -c postgres -- psql -q -U admin -d knowledge_os < examples/knowledge/data.sql'
run "$count"

step "3. Give checks and restores a role each, and protect it with a ProtectedDatabase"
psql='kubectl -n atra exec -i knowledge-postgres-0 -c postgres -- psql -q -v ON_ERROR_STOP=1 -U admin -d knowledge_os'
run "kubectl holdfast grant-sql --database knowledge_os | $psql"
run "kubectl holdfast grant-sql --restore --database knowledge_os | $psql"
say 'You would set their passwords by \\password, so that they are in no history. Here they are those of the example:'
password() { printf "'\$(kubectl -n atra get secret %s -o jsonpath='{.data.password}' | base64 -d)'" "$1"; }
run "$psql <<< \"ALTER ROLE holdfast PASSWORD $(password pg-holdfast); ALTER ROLE holdfast_restore PASSWORD $(password pg-holdfast-restore)\""
say 'examples/knowledge/protected-database.yaml: at least 80 experts, at least 10,000 nodes, a backup every night.'
printf '%s$ kubectl apply -f examples/knowledge/protected-database.yaml%s\n' "$dim" "$plain"
sed -e "s|\${S3_ENDPOINT}|$S3_ENDPOINT|; s|\${S3_REGION}|$S3_REGION|; s|\${S3_BUCKET}|$S3_BUCKET|" \
  -e "s|\${S3_PREFIX}|$S3_PREFIX|; s|\${S3_ACCESS_KEY_ID}|$S3_ACCESS_KEY_ID|; s|\${S3_SECRET_ACCESS_KEY}|$S3_SECRET_ACCESS_KEY|" \
  examples/knowledge/protected-database.yaml | quiet 'kubectl apply -f -'
wait_for 90 "the first check to be green" "$(condition DataVerified True)"
wait_for 60 "the volume to be guarded" "$(condition Guarded True)"
run 'kubectl -n atra get dbcheck'
say 'The reclaim policy of the volume was Delete, the default. Now:'
run "kubectl get pv -o custom-columns='VOLUME:.metadata.name,CLAIM:.spec.claimRef.name,POLICY:.spec.persistentVolumeReclaimPolicy,PROTECTED BY:.metadata.annotations.holdfast\.dev/protected-by'"

step "4. The first backup starts after the first good check"
wait_for 120 "the first backup to be complete" "kubectl -n atra get dbbackup -o jsonpath='{.items[*].status.state}' | grep Complete"
run 'kubectl -n atra get dbbackup'
path=$(quiet "kubectl -n atra get dbbackup -o jsonpath='{.items[0].status.path}'")
say "In the bucket, below $path:"
signed="curl -sSf --aws-sigv4 aws:amz:$S3_REGION:s3 -u $S3_ACCESS_KEY_ID:$S3_SECRET_ACCESS_KEY -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'"
# curl signs a query string as it stands, and the signature wants a slash in it encoded.
run "$signed '$S3_ENDPOINT/$S3_BUCKET?list-type=2&prefix=${S3_PREFIX//\//%2F}' | grep -o '<Key>[^<]*' | cut -c6-"
say 'The manifest is written last. Its row counts are those of the dump:'
run "$signed $S3_ENDPOINT/$S3_BUCKET/$path/manifest.json | python3 -m json.tool | grep -E '\"(state|systemIdentifier|name|rows|sha256)\"'"
wait_for 30 "everything to be green" "$(condition Ready True)"
run 'kubectl -n atra get protdb'

step "5. Somebody deletes the PersistentVolumeClaim"
say 'The API server refuses it, also while the operator is down:'
printf '%s$ kubectl -n atra delete pvc atra-knowledge-postgres-data%s\n' "$dim" "$plain"
if quiet 'kubectl -n atra delete pvc atra-knowledge-postgres-data --wait=false' 2>&1; then fail "the claim could be deleted"; fi

step "6. The incident: Postgres starts on another volume"
run 'kubectl apply -f examples/knowledge/other-claim.yaml'
incident=$SECONDS
run "kubectl -n atra patch statefulset knowledge-postgres --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/template/spec/volumes/0/persistentVolumeClaim/claimName\",\"value\":\"knowledge-os-postgres-data\"}]'"
wait_for 90 "the reset to be seen" "$(condition DataReset True)"
seen=$((SECONDS - incident))
say "Kubernetes sees nothing wrong, and neither does the application:"
wait_for 60 "the pod to be ready" 'kubectl -n atra wait --for=condition=Ready pod/knowledge-postgres-0 --timeout=1s'
run 'kubectl -n atra get pods'
run "$count"
say "Holdfast does, $seen s after the command, including the restart of the pod:"
run 'kubectl -n atra get protdb'
run 'kubectl -n atra describe protdb knowledge | sed -n "/^Status:/,/^Events:/p" | grep -A 8 -B 6 "Type: *DataReset"'
run_on_reset 'kubectl holdfast explain knowledge -n atra | sed -n "/^Expected and found/,/^Restarts/p"'
say "The same as an incident report, with a plot of the rows over time: target/incident.html"
run_on_reset 'kubectl holdfast report knowledge -n atra -o html --file target/incident.html --force'

step "7. One command mounts the volume with the data again"
back=$SECONDS
run 'kubectl holdfast recover knowledge -n atra --yes'
wait_for 90 "the data to be verified again" "$(condition DataVerified True) && $(condition DataReset False)"
say "Green again after $((SECONDS - back)) s:"
run "$count"
wait_for 30 "everything to be green" "$(condition Ready True)"
run 'kubectl -n atra get protdb'

step "8. The same with the readiness gate: no traffic to data that looks reset"
run "kubectl -n atra patch statefulset knowledge-postgres --type=json -p '[{\"op\":\"add\",\"path\":\"/spec/template/spec/readinessGates\",\"value\":[{\"conditionType\":\"holdfast.dev/data-verified\"}]}]'"
wait_for 90 "the pod behind the gate to be verified and ready" "kubectl -n atra get pod knowledge-postgres-0 -o jsonpath='{.spec.readinessGates}' | grep holdfast && kubectl -n atra wait --for=condition=Ready pod/knowledge-postgres-0 --timeout=1s"
say "The incident again, with an application that seeds an empty database:"
run "kubectl -n atra patch statefulset knowledge-postgres --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/template/spec/volumes/0/persistentVolumeClaim/claimName\",\"value\":\"knowledge-os-postgres-data\"}]'"
wait_for 90 "the reset to be seen" "$(condition DataReset True)"
run 'kubectl apply -f examples/knowledge/application.yaml'
wait_for 60 "the application to try" "kubectl -n atra logs job/application | grep refused"
run "kubectl -n atra get pod knowledge-postgres-0 -o custom-columns='POD:.metadata.name,PHASE:.status.phase,GATE:.status.conditions[?(@.type==\"holdfast.dev/data-verified\")].status,WHY:.status.conditions[?(@.type==\"holdfast.dev/data-verified\")].reason'"
run 'kubectl -n atra logs job/application | tail -n 2'
say "The application wrote nothing: the fresh database has the two tables of its own seed, and no written_by_the_application."
run 'kubectl -n atra exec knowledge-postgres-0 -c postgres -- psql -U admin -d knowledge_os -c "\dt"'
run 'kubectl holdfast recover knowledge -n atra --yes'
wait_for 120 "the application to reach the data" 'kubectl -n atra wait job/application --for=condition=Complete --timeout=1s'
run 'kubectl -n atra logs job/application | tail -n 1'
wait_for 30 "everything to be green" "$(condition Ready True)"

step "9. Rows are lost, and no volume has them: restored from the backup"
run 'kubectl holdfast backup knowledge -n atra'
say "A backup counts once a later check has found the same data:"
wait_for 90 "the backup to count" "kubectl -n atra get dbbackup --sort-by=.metadata.creationTimestamp -o jsonpath='{.items[-1:].status.confirmed.check}' | grep ."
run 'kubectl holdfast backups knowledge -n atra'
say "A mistake in a script:"
run 'kubectl -n atra exec knowledge-postgres-0 -c postgres -- psql -U admin -d knowledge_os -c "TRUNCATE knowledge_nodes"'
say "Postgres runs, and every probe is green. The check of every half hour would find it; here it is asked for:"
run 'kubectl holdfast check knowledge -n atra'
wait_for 90 "the loss to be seen" "$(condition DataReset True)"
run 'kubectl -n atra get protdb'
run_on_reset 'kubectl holdfast explain knowledge -n atra | sed -n "/^Tables that differ/,/^$/p"'
say "One command: restored beside what is there, compared row by row, and only then put in its place:"
run 'kubectl holdfast restore knowledge -n atra --yes'
wait_for 60 "everything to be green" "$(condition Ready True)"
run 'kubectl -n atra get protdb'
say "What the backup says, and what is in the database now:"
run "kubectl -n atra get dbrestore -o custom-columns='BACKUP:.status.set.backup,ROWS IN THE BACKUP:.status.report.databases[0].expectedRows,ROWS RESTORED:.status.report.databases[0].rows,SAME BYTES:.status.report.databases[0].isIdentical,KEPT AS:.status.report.databases[0].keptAs'"
run "$count"

printf '\n%sDone in %d s.%s\n' "$bold" "$((SECONDS - started))" "$plain"
cat <<END
Look around in a shell with kubectl on its PATH:   cargo run -p testbed -- exec -- bash
  kubectl -n atra describe protdb knowledge        what is known about the database, and since when
  kubectl -n atra get dbcheck,dbbackup,dbrestore   every check, every backup, the restore
  docs/runbooks                                    what to type when it is your database
  kubectl explain protdb.spec                      what you can configure
Stop it, leaving nothing behind:                   make down
END
