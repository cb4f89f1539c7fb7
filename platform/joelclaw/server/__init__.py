"""
The server: everything below put together, serving one deployment.

    serving.py          start, and the order of leaving
    ports.py            taken first
    routes.py           of the client port, beside calls and sockets
    services.py         what the platform does by itself
    uvicorn_server.py   HTTP and WebSockets
    issuers.py          whose tokens count, beside our own
    key_table.py        the admin keys that it made
    narration.py        its own log
"""

from joelclaw.server.serving import Host, run, serve

__all__ = ["Host", "run", "serve"]
