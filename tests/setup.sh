#!/bin/sh
# Install what the browser and Postgres tests need, where that is possible; the tests say loudly what is missing.
set -eu
missing=""
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="chromium"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$missing postgresql"
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing for the tests:$missing (and fonts)"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing fonts-noto-core fonts-noto-cjk >/dev/null
else
    echo "not installed:$missing - the tests that need it will be skipped and say so"
fi
