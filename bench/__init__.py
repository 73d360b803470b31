"""The benchmarks of `make bench`: real servers, rounds in turn with their floor, a check before any figure counts."""
