"""The shared exchange platform of a demo city, over HTTP: signs are checked, pages cut, faults switched on.

For the demo, for tests and benchmarks; it knows no CKAN. docs/simulator.md says how to use it.
"""
