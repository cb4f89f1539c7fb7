"""
The scheduler: what the platform does by itself, in time: jobs, crons, and documents that expire.

Each part is a service of the server (`server/services.py`). It subscribes to a system query that says
what is due, and does it through system mutations: nothing is polled, no timer is kept, and what
is due after a crash is due.
"""
