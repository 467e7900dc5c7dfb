#!/usr/bin/env bash
# Installs the look-alikes of AWS that `npm run test:conformance` asks, and says where they are:
#   export $(bash tools/engines.sh)
# Wants Python with venv, Java and Maven. What is installed already is kept.
set -euo pipefail
recipes="$(cd "$(dirname "$0")/engines" && pwd)"
place="${ENGINES_DIR:-$recipes/../../node_modules/.cache/engines}"
mkdir -p "$place"
place="$(cd "$place" && pwd)"

# `complete` is written last: what an interrupted run left behind is made anew.
moto="$place/moto-$(sha256sum "$recipes/requirements.txt" | cut -c 1-12)"
if [ ! -e "$moto/complete" ]; then
  rm -rf "$moto"
  python3 -m venv "$moto" >&2
  "$moto/bin/pip" install --quiet --no-compile --disable-pip-version-check --requirement "$recipes/requirements.txt" >&2
  touch "$moto/complete"
fi

elasticmq="$place/elasticmq-$(sha256sum "$recipes/pom.xml" | cut -c 1-12)"
if [ ! -e "$elasticmq/complete" ]; then
  rm -rf "$elasticmq"
  mvn --batch-mode --quiet --file "$recipes/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$elasticmq" >&2
  touch "$elasticmq/complete"
fi

echo "CONFORMANCE_MOTO=$moto"
echo "CONFORMANCE_ELASTICMQ=$elasticmq"
