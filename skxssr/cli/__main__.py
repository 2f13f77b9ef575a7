"""`python -m skxssr.cli`, where the script `skxssr` is not on the path."""

import sys

from skxssr.cli import main

if __name__ == "__main__":
    sys.exit(main())
