#!/bin/sh
# web/build.sh OUT_DIR           the page as static files
# web/build.sh --test JUNIT_FILE  the page's own tests
#
# Uses node from PATH where it is 20.19 or later, else the one that tools/setup put into .deps. Several build
# directories may call it at once: they take turns.
set -eu
mode='build'
if [ "$1" = --test ]; then
  mode='test'
  shift
fi
out=$(realpath -m "$1")
cd "$(dirname "$0")"
fits() { "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || a == 20 && b >= 19 ? 0 : 1)' 2>/dev/null; }
if ! fits node || ! command -v npm >/dev/null; then
  PATH=$PWD/../.deps/node/bin:$PATH
  export PATH
  fits node || { echo "web: Node.js 20.19 or later is needed; tools/setup installs it" >&2; exit 1; }
fi
mkdir -p ../build
exec 9>../build/.web.lock
flock 9
if [ ! -e node_modules/.installed ] || ! cmp -s package-lock.json node_modules/.installed; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.installed
fi
if [ $mode = test ]; then
  exec ./node_modules/.bin/vitest run --reporter=default --reporter=junit --outputFile.junit="$out"
fi
npm run --silent check
exec ./node_modules/.bin/vite build --logLevel warn --emptyOutDir --outDir "$out"
