"""Text in, speech in a cloned voice out, with the exact time of every word as subtitles.

The package has two public entries: :func:`f5_serverless.pipeline.run_job` for programs, and the
command line ``f5-serverless``. Importing this module loads nothing heavy.
"""

__version__ = "0.1.0"
