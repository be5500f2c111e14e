"""python -m rulegen.train.label --seeds 0..1000 --out DIR [--workers 2]"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rulegen.errors import InputError, RulegenError
from rulegen.train import label
from rulegen.train.label.shards import SHARD, reword, run, shards


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code; what is wrong goes to stderr."""
    parser = argparse.ArgumentParser(prog="python -m rulegen.train.label", description=label.__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", metavar="A..B", help="label the worlds from A up to, not including, B")
    what.add_argument("--reword", type=Path, metavar="DIR", help="make the prompts of the shards in DIR again")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--per-shard", type=int, default=SHARD, metavar="N", help=f"seeds (default {SHARD})")
    parser.add_argument("--workers", type=int, default=1, metavar="N")
    options = parser.parse_args(arguments)
    try:
        if options.reword:
            reword(options.reword, options.out)
            return 0
        wrong = run(shards(options.seeds, options.per_shard), options.out, options.workers)
    except RulegenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{options.out}: {error.strerror or error}", file=sys.stderr)
        return InputError.exit_code
    print("".join(f"{line}\n" for line in wrong), end="", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
