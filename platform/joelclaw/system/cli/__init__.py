"""
System functions by the names under which the official command line asks for them.

Their shapes are that command line's. What they tell stands elsewhere in `system/`.
"""
