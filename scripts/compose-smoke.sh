#!/usr/bin/env bash
# The compose project from scratch: builds it, starts it, sends lines in each way, queries them, and stops it.
# `bash scripts/compose-smoke.sh`; with KEEP=1 it stays up. Needs Docker with its compose plugin, and curl.
set -euo pipefail
cd "$(dirname "$0")/.."

gateway=http://127.0.0.1:3100
stamp=$(date +%s)

main() {
  trap finish EXIT
  docker compose up --detach --build
  # By name, because `--wait` fails for services without a health check and for those that end.
  docker compose up --detach --wait --wait-timeout 180 gateway

  check 'the gateway is ready' '^ready' get /ready
  check 'without credentials there is nothing' '^401$' curl -s -o /dev/null -w '%{http_code}' "$gateway/logs"

  push
  check 'a push is there at once' "pushed $stamp" query
  check 'its labels are' '"smoke"' get /loki/api/v1/label/app/values
  post
  check 'a posted line is there at once' "posted $stamp" get "/logs?limit=10"
  check 'a token opens the door' "pushed $stamp" token_query
  eventually 'the worker wrote the posted line to the bucket' 'logs/[0-9/]*queue_' objects
  eventually 'Firehose wrote the push to the bucket' 'logs/[0-9/]*millrace' objects
  eventually "the poller's entries are there" '"cognigy"' get /loki/api/v1/label/source/values
  eventually 'their errors are incidents' '"msg":"incident"' docker compose logs --no-log-prefix alerts

  restart
  check 'both are there after a restart' "pushed $stamp" query
  check 'and the posted line' "posted $stamp" get "/logs?limit=10"
  check 'nobody told of a failure' '^0$' failures
  echo "compose: all is well"
}

push() {
  local body="{\"streams\":[{\"stream\":{\"app\":\"smoke\"},\"values\":[[\"${stamp}000000000\",\"pushed $stamp\"]]}]}"
  check 'a push is taken' '^20[04]$' curl -s -o /dev/null -w '%{http_code}' -u local:local \
    -H 'Content-Type: application/json' -d "$body" "$gateway/loki/api/v1/push"
}

post() {
  check 'a line is taken' '^20[0-9]$' curl -s -o /dev/null -w '%{http_code}' -u local:local \
    -H 'Content-Type: application/json' -d "{\"severity\":\"info\",\"message\":\"posted $stamp\"}" "$gateway/logs"
}

query() {
  get "/loki/api/v1/query_range?query=%7Bapp%3D%22smoke%22%7D&start=$((stamp - 60))&end=$((stamp + 60))"
}

token_query() {
  local token
  token=$(docker compose exec -T gateway node dist/cli.mjs token --subject smoke 2>/dev/null | tail -n 1)
  curl -s -H "Authorization: Bearer $token" \
    "$gateway/loki/api/v1/query_range?query=%7Bapp%3D%22smoke%22%7D&start=$((stamp - 60))&end=$((stamp + 60))"
}

get() {
  curl -s -u local:local "$gateway$1"
}

# Keys of the archive, from S3's own listing.
objects() {
  curl -s "http://127.0.0.1:4566/millrace-archive?list-type=2"
}

# Counts the error lines of our own processes: pino's levels 50 and 60.
failures() {
  docker compose logs --no-log-prefix gateway worker poller alerts | grep -Ec '"level":(50|60)'
}

restart() {
  docker compose restart gateway > /dev/null
  docker compose up --detach --wait --no-recreate gateway 2> /dev/null
}

# check <what> <regular expression> <command …>
check() {
  local what=$1 wanted=$2 came
  shift 2
  came=$("$@") || true
  if ! grep -Eq "$wanted" <<< "$came"; then
    echo "not ok: $what; wanted $wanted, came: ${came:0:300}" >&2
    return 1
  fi
  echo "ok: $what"
}

# The same with retries for a minute and a half, for results behind a buffer or a queue.
eventually() {
  for _ in $(seq 90); do
    if check "$@" 2> /dev/null; then return 0; fi
    sleep 1
  done
  check "$@"
}

finish() {
  local status=$?
  if [ "$status" -ne 0 ]; then docker compose logs --tail 40 >&2 || true; fi
  if [ "${KEEP:-}" != 1 ]; then docker compose down --volumes --timeout 10 > /dev/null 2>&1 || true; fi
}

main
