"""
Values: the words that everything above shares, and nothing that does anything.

Wire JSON (`wire`), index keys (`keys`), document ids (`ids`), sizes (`limits`), names and
paths, timestamps and durations. Pure functions over plain data: no I/O, no clock, no
randomness of their own, and no import but `errors`.
"""
