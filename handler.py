"""RunPod's entry: ``python handler.py``, ``--test_input '{"input": …}'`` or ``--rp_serve_api``.

It runs in the container's thin Python, makes sure that the environment on the network volume is there, and is then
replaced by that environment's Python running this same file. Where none is needed it goes on as it is.
Importing it does nothing and loads nothing heavy.
"""

import os
import sys


def main() -> int:
    """Serves jobs until told to end; returns the exit code."""
    from f5_serverless.serve.entry import main as serve
    from f5_serverless.serve.entry import prepare

    use = prepare(os.environ, [os.path.abspath(__file__), *sys.argv[1:]])
    try:
        return serve(os.environ)
    finally:
        if use is not None:
            use.release()


if __name__ == "__main__":
    sys.exit(main())
