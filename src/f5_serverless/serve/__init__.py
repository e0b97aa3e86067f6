"""Entries that serve jobs: the RunPod worker (`worker`), and a queue in a box to drive it with (`dev_queue`).

Importing this package is cheap: the RunPod SDK (two seconds) is imported inside `worker.run_worker`.
"""
