"""Benchmarks: `python -m benchmarks.NAME [--quick] [--json]`. Each prints one table, measured in one run."""
