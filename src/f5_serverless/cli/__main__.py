"""``python -m f5_serverless.cli``: the same as the command ``f5-serverless``."""

import sys

from f5_serverless.cli import main

if __name__ == "__main__":
    sys.exit(main())
