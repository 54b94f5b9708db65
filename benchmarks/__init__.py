"""This project beside its peers, on the same work, in turns: `python -m benchmarks --help`."""
