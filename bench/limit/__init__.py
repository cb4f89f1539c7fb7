"""The limit: a server written by hand for exactly what the benchmarks ask of it."""
