"""The ledger's format: bodies, entries, the tree, checkpoints, bundles, and their verification.

Writing and storing are elsewhere (`kernel/journal.py`, `builtin/stores`). `walk.py` and
`verify.py` import nothing of Aegis: they also ship as `tools/aegis_verify.py`. The format is
specified in `spec/ledger.md`.
"""
