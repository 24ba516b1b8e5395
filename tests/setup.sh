#!/bin/sh
# Install what the browser, Postgres and Argilla tests need, where that is possible; the tests say loudly what is missing.
set -eu
missing=""
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="chromium fonts-noto-core fonts-noto-cjk"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$missing postgresql"
command -v javac >/dev/null || missing="$missing default-jdk-headless"
command -v mvn >/dev/null || missing="$missing maven"
command -v redis-server >/dev/null || missing="$missing redis-server"
if [ -n "$missing" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing for the tests: $missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
elif [ -n "$missing" ]; then
    echo "not installed: $missing - the tests that need it will be skipped and say so"
fi
[ ! -x .venv/bin/python ] || .venv/bin/python -m tests.argilla.stack install || echo "the tests with Argilla will be skipped and say so"
