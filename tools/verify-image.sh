#!/usr/bin/env bash
# Proves that the image would run: builds it where a builder exists; elsewhere follows the steps of
# the Dockerfile in a fresh folder, as another user and with a read-only program folder, so that a
# file or package that only the development tree has shows up.
set -euo pipefail
repo="$(cd "$(dirname "$0")/.." && pwd)"

if docker info >/dev/null 2>&1; then
  docker build --tag interaction-bridge:verify "$repo"
  docker run --rm --read-only --tmpfs /tmp --env NODE_ENV=development interaction-bridge:verify \
    node dist/main.js --check --offline
  docker image inspect --format 'image: {{.Size}} bytes' interaction-bridge:verify
  exit 0
fi

echo "No container builder here: following the Dockerfile's steps by hand."
node="$repo/node_modules/.bin/node"
work="$(mktemp -d)"
server=""
cleanup() { [ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT

mkdir "$work/build" "$work/app" "$work/data" "$work/bin"
cd "$work/build"
# Only what .dockerignore lets through, and only what is committed.
git -C "$repo" archive HEAD package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json src config | tar x
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
"$node" node_modules/typescript/bin/tsc -p tsconfig.build.json
rm -rf node_modules
npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error
find node_modules -name '*.map' -delete
cp -r package.json node_modules dist config "$work/app/"
cp -L "$node" "$work/bin/node"
echo "application files: $(du -sk "$work/app" | cut -f1) KiB, of which packages $(du -sk "$work/app/node_modules" | cut -f1) KiB"

chmod -R a+rX,a-w "$work/app" "$work/bin"
chmod a+rx "$work"
chmod 777 "$work/data"
cd "$work/app"
as_user() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups env -i "$@"; else env -i "$@"; fi
}
settings=(PATH="$work/bin" HOST=127.0.0.1 PORT=0 JOURNAL_PATH="$work/data/journal.db" FINGERPRINT_PATH="$work/data/fingerprints.db")

echo "In production, without credentials, it has to refuse and say what is missing:"
if as_user "${settings[@]}" NODE_ENV=production node dist/main.js 2>"$work/refusal"; then
  echo "it started"; exit 1
fi
grep -q GENESYS_CLIENT_ID "$work/refusal" && grep -q DLQ_QUEUE_URL "$work/refusal" && grep -q AUTH_MODE "$work/refusal"

echo "In production, against a sandbox in another process, it has to get ready and stop cleanly:"
as_user PATH="$work/bin" SANDBOX_RATE=50 node dist/sandbox/main.js >"$work/sandbox.env" &
server=$!
for _ in $(seq 100); do grep -q DLQ_QUEUE_URL "$work/sandbox.env" && break; sleep 0.1; done
mapfile -t sandbox < <(grep -E '^[A-Z_]+=' "$work/sandbox.env")
as_user "${settings[@]}" NODE_ENV=production AUTH_MODE=none "${sandbox[@]}" PORT=38080 node dist/main.js >"$work/log" 2>&1 &
service=$!
for _ in $(seq 150); do
  ready="$("$work/bin/node" -e 'fetch("http://127.0.0.1:38080/readyz").then((a) => console.log(a.status), () => console.log(0))')"
  [ "$ready" = 200 ] && break
  sleep 0.2
done
if [ "$ready" != 200 ]; then tail -20 "$work/log"; echo "not ready: $ready"; exit 1; fi
kill -TERM "$service"
status=0; wait "$service" || status=$?
if [ "$status" != 0 ]; then tail -20 "$work/log"; echo "SIGTERM ended it with $status"; exit 1; fi
echo "image steps: fine"
