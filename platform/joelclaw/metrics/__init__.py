"""
Metrics: the engine's numbers in the words of Prometheus.

`collector.py` names them, `processes.py` asks the system what processes weigh. They are read when
somebody scrapes, and kept by nobody here: `engine/tally.py` counts.
"""
