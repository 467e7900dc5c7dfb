#!/usr/bin/env bash
# Proves that the image runs: builds it where a builder exists; elsewhere follows the Dockerfile,
# line by line, in a fresh folder, and runs the result as another user from a read-only folder, so
# that a file or package which only the development tree has shows up.
set -euo pipefail
repo="$(cd "$(dirname "$0")/.." && pwd)"
fail() { echo "verify-image: $*" >&2; exit 1; }

if docker info >/dev/null 2>&1; then
  docker build --tag interaction-bridge:verify --build-arg "REVISION=$(git -C "$repo" rev-parse HEAD)" "$repo"
  name="interaction-bridge-verify-$$"
  trap 'docker rm --force "$name" >/dev/null 2>&1 || true' EXIT
  docker run --detach --name "$name" --read-only --tmpfs /tmp --cap-drop ALL --env NODE_ENV=development \
    --health-interval 1s interaction-bridge:verify >/dev/null
  for _ in $(seq 60); do
    health="$(docker inspect --format '{{.State.Health.Status}}' "$name")"
    [ "$health" = healthy ] && break
    sleep 1
  done
  [ "$health" = healthy ] || { docker logs --tail 20 "$name"; fail "the container is $health"; }
  docker exec "$name" node dist/main.js --check --offline
  docker stop --time 30 "$name" >/dev/null
  status="$(docker inspect --format '{{.State.ExitCode}}' "$name")"
  [ "$status" = 0 ] || fail "SIGTERM ended the container with $status"
  docker image inspect --format 'image: {{.Size}} bytes' interaction-bridge:verify
  exit 0
fi

echo "No container builder here: following the Dockerfile by hand."
node="$repo/node_modules/.bin/node"
[ -x "$node" ] || node="$(command -v node)"
[[ "$("$node" --version)" == v24.* ]] || fail "the image has Node 24, and here is only $("$node" --version): run npm ci first"
work="$(mktemp -d)"
children=()
cleanup() {
  for child in "${children[@]}"; do { kill -KILL "$child" && wait "$child"; } 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
mkdir "$work"/{context,build,app,data,tmp,bin}
cp -L "$node" "$work/bin/node"

# The build context: what is committed and .dockerignore lets through.
mapfile -t context < <(sed -n 's/^!//p' "$repo/.dockerignore")
git -C "$repo" archive HEAD "${context[@]}" | tar x -C "$work/context"

words_of() { "$work/bin/node" -e 'for (const word of JSON.parse(process.argv[1])) process.stdout.write(`${word}\0`)' "$1"; }
place="$work/build" settings=() healthcheck=() command=()
while read -r instruction rest; do
  case "$instruction" in
    FROM) [[ "$rest" == *" AS build" ]] || place="$work/app" ;;
    COPY)
      from="$work/context"
      if [[ "$rest" == --from=build* ]]; then from="$work/build" rest="${rest#--from=build }"; fi
      read -ra names <<<"${rest//\/app\//}"
      for name in "${names[@]:0:${#names[@]}-1}"; do cp -r "$from/$name" "$place/${names[-1]}"; done
      ;;
    RUN) # Those of the last stage make users' folders: ours is $work/data.
      [ "$place" = "$work/app" ] || (cd "$place" && PATH="$work/bin:$PATH" npm_config_loglevel=error npm_config_prefer_offline=true bash -euc "$rest") ;;
    ENV)
      read -ra pairs <<<"${rest//\$\{REVISION\}/$(git -C "$repo" rev-parse HEAD)}"
      settings=("${pairs[@]//\/data\//$work/data/}")
      ;;
    HEALTHCHECK) mapfile -d '' -t healthcheck < <(words_of "${rest#*CMD }") ;;
    CMD) mapfile -d '' -t command < <(words_of "$rest") ;;
  esac
done < <(sed '/^ *#/d' "$repo/Dockerfile" | sed -e ':join' -e '/\\$/{N;s/\\\n *//;b join' -e '}')

echo "application files: $(du -sk "$work/app" | cut -f1) KiB, of which packages $(du -sk "$work/app/node_modules" | cut -f1) KiB"
chmod -R a+rX,a-w "$work/app" "$work/bin"
chmod a+rx "$work"
chmod 777 "$work/data" "$work/tmp"
touch "$work/sealed"
cd "$work/app"

echo "Nothing is in it that no service needs, and nothing is missing that a package loads:"
[ "$(ls -A | tr '\n' ' ')" = "config dist node_modules package.json " ] || fail "there are other files: $(ls -A)"
extra="$(find . -name '*.ts' -o -name '*.map' -o -name '.env*' -o -path './node_modules/*/test/*.js' | head -5)"
[ -z "$extra" ] || fail "not needed: $extra"
"$work/bin/node" --input-type=module - "$work/context/package-lock.json" <<'SCRIPT'
import { existsSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';

const { packages } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { resolve } = createRequire(`${process.cwd()}/package.json`);
const problems = [];
let loaded = 0;
for (const [path, { dev }] of Object.entries(packages)) {
  if (path === '') continue;
  if (dev === true) {
    if (existsSync(path)) problems.push(`${path} is a development dependency`);
    continue;
  }
  // Optional ones are for another platform; of swagger-ui only the files are served.
  if (!existsSync(path) || path === 'node_modules/swagger-ui-dist') continue;
  const { name, exports = {} } = JSON.parse(readFileSync(`${path}/package.json`, 'utf8'));
  const keys = typeof exports === 'object' ? Object.keys(exports) : [];
  const entries = keys.filter((key) => /^\.(?:\/[\w/-]+(?:\.m?js)?)?$/.test(key) && !/LICENSE|\/package$/.test(key));
  for (const entry of entries.length === 0 ? ['.'] : entries) {
    try {
      // Both ways: import and require may lead to different files.
      await import(path.lastIndexOf('node_modules/') === 0 ? name + entry.slice(1) : pathToFileURL(resolve(`./${path}`)).href);
      loaded += 1;
    } catch (error) {
      problems.push(`${name}${entry.slice(1)} does not load: ${String(error.message).split('\n')[0]}`);
    }
  }
}
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
console.log(`  ${loaded} entry points of packages load`);
SCRIPT

as_user() { # In a subshell or with &: the process becomes the command, so that signals reach it.
  local prefix=()
  if [ "$(id -u)" = 0 ]; then prefix=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
  exec "${prefix[@]}" env -i PATH="$work/bin" TMPDIR="$work/tmp" HOST=127.0.0.1 "${settings[@]}" "$@"
}
expect_status() { # <wanted> <what> <command…>; its output is in $work/output
  local status=0
  (as_user "${@:3}") >"$work/output" 2>&1 || status=$?
  [ "$status" = "$1" ] || { tail -20 "$work/output"; fail "$2 ended with $status instead of $1"; }
}
port="$("$work/bin/node" -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')"
status_of() { "$work/bin/node" -e 'fetch(process.argv[1]).then((a) => console.log(a.status), () => console.log(0))' "http://127.0.0.1:$port$1"; }
await_ready() { # <pid> <log>
  for _ in $(seq 150); do
    [ "$(status_of /readyz)" = 200 ] && return
    kill -0 "$1" 2>/dev/null || break
    sleep 0.2
  done
  tail -20 "$2"
  fail "it did not get ready: /readyz $(status_of /readyz)"
}
expect_clean_stop() { # <pid> <log>
  local status=0
  kill -TERM "$1"
  wait "$1" || status=$?
  [ "$status" = 0 ] || { tail -20 "$2"; fail "SIGTERM ended it with $status"; }
}

echo "In production, without credentials, it refuses with exit code 78 and names what is missing:"
expect_status 78 "the start without settings" PORT=0 "${command[@]}"
for name in GENESYS_CLIENT_ID DLQ_QUEUE_URL AUTH_MODE; do
  grep -q "$name" "$work/output" || fail "the refusal does not name $name"
done
expect_status 1 "--check without settings" "${command[@]}" --check --offline
grep -q GENESYS_CLIENT_ID "$work/output" || fail "--check does not name what is missing"

echo "In production, against a sandbox in another process, it gets ready, works and stops cleanly:"
as_user SANDBOX_RATE=50 node dist/sandbox/main.js >"$work/sandbox.env" 2>&1 &
children+=($!)
for _ in $(seq 100); do grep -q '^# ready' "$work/sandbox.env" && break; sleep 0.1; done
# As dotenv reads them: without the quotes.
mapfile -t sandbox < <(sed -nE 's/^([A-Z_]+)="(.*)"$/\1=\2/p' "$work/sandbox.env")
service=("${sandbox[@]}" AUTH_MODE=none SIMULATE_OVERRIDES=true)
expect_status 0 "--check --offline" "${service[@]}" "${command[@]}" --check --offline
as_user "${service[@]}" PORT="$port" "${command[@]}" >"$work/log" 2>&1 &
main=$!
children+=("$main")
await_ready "$main" "$work/log"
expect_status 0 "the health check" PORT="$port" "${healthcheck[@]}"
expect_status 1 "the health check of a service that is away" PORT=1 "${healthcheck[@]}"
"$work/bin/node" --input-type=module - "http://127.0.0.1:$port" "$(git -C "$repo" rev-parse HEAD)" <<'SCRIPT' || { tail -5 "$work/log"; fail "an answer is wrong"; }
import assert from 'node:assert/strict';

const [url, commit] = process.argv.slice(2);
const json = { 'content-type': 'application/json' };
const ask = async (path, body) => {
  const init = body === undefined ? {} : { method: 'POST', headers: json, body: JSON.stringify(body) };
  const answer = await fetch(url + path, init);
  assert.equal(answer.status, 200, `${path}: ${answer.status} ${answer.ok ? '' : await answer.text()}`);
  return answer;
};
assert.equal((await (await ask('/version')).json()).commit, commit);
const page = await (await ask('/docs')).text();
for (const [, path] of page.matchAll(/(?:src|href)="(\/[^"]+)"/g)) await ask(path);
await ask('/report');
await ask('/map', { orgId: 'acme', records: [{ ticketId: 'T1', priority: 'high' }] });
await ask('/simulate', {});
// In a child process of its own, whose script nothing imports.
await ask('/simulate', { filter: { all: [{ path: 'resourceType', equals: 'interaction' }] } });
SCRIPT
expect_status 78 "a second process on the same journal" "${service[@]}" PORT=0 "${command[@]}"
grep -q "in use by another process" "$work/output" || fail "the second process does not say why: $(cat "$work/output")"
expect_clean_stop "$main" "$work/log"

echo "What is in its journal is saved, and restored into a new one, with the image alone:"
expect_status 0 "--journal-rescue" "${command[@]}" --journal-rescue "$work/data/rescue.ndjson"
mkdir "$work/damaged"
mv "$work/data"/journal.db* "$work/damaged"
expect_status 0 "--journal-restore" "${command[@]}" --journal-restore "$work/data/rescue.ndjson"
[ -s "$work/data/journal.db" ] || fail "there is no new journal"

echo "As a trial, with the embedded sandbox, it gets ready and stops cleanly:"
as_user NODE_ENV=development PORT="$port" "${command[@]}" >"$work/log" 2>&1 &
trial=$!
children+=("$trial")
await_ready "$trial" "$work/log"
expect_clean_stop "$trial" "$work/log"
[ -z "$(ls -A "$work/tmp")" ] || fail "the trial left files behind: $(ls "$work/tmp")"
[ -z "$(find "$work/app" -newer "$work/sealed")" ] || fail "it wrote into its program folder"
echo "image steps: fine"
