"""
The system: the platform's own tables and functions.

They are written with the API that apps use, so they are transactional with an app's data,
backed up with it, and watched with ordinary subscriptions. Their names begin with `_`, their
functions' paths with `_system/`; an app cannot call those, and of the tables it sees only
stored files and scheduled jobs. System functions are internal: administrators and the platform
itself call them.

To add one: write it in a module here and name the module in `loader.py`'s `SYSTEM_MODULES`.
"""
