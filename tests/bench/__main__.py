"""Run a benchmark: `python -m tests.bench NAME`. Prints its conditions, then one line of JSON with its ratios."""

import importlib
import sys
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        print(f"usage: python -m tests.bench {{{','.join(NAMES)}}}", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"tests.bench.{sys.argv[1]}").main())


if __name__ == "__main__":
    sys.exit(main())
