"""RunPod's entry: ``python handler.py``, ``--test_input '{"input": …}'`` or ``--rp_serve_api``.

Importing it does nothing and loads nothing heavy.
"""

import sys


def main() -> int:
    """Serves jobs until told to end; returns the exit code."""
    from f5_serverless.serve.entry import main as serve

    return serve()


if __name__ == "__main__":
    sys.exit(main())
