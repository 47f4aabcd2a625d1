"""``python -m hyperjobs``: the same as the ``hyperjobs`` command."""

import sys

from hyperjobs.cli import main

if __name__ == "__main__":
    sys.exit(main())
