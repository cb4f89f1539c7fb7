"""
Ports: taken before anything else is begun, so that a second server is told at once.
"""

import errno
import os
import socket as sockets_of_the_system
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Final, NamedTuple

from joelclaw.config import Config
from joelclaw.errors import CommandFailed

BACKLOG: Final = 2_048


class Listeners(NamedTuple):
    """The deployment's ports, taken and not answered yet."""

    api: sockets_of_the_system.socket
    """Of clients."""

    site: sockets_of_the_system.socket
    """Of HTTP actions."""

    metrics: sockets_of_the_system.socket | None
    """If one is declared for them."""


@contextmanager
def ports_taken(config: Config) -> Iterator[Listeners]:
    """
    Take the declared ports, all or none, and give them back at the end.

    Raises:
        CommandFailed: Somebody else has one, or it cannot be had.
    """
    server = config.server
    with ExitStack() as stack:

        def take(setting: str, port: int) -> sockets_of_the_system.socket:
            return stack.enter_context(closing(listen(config, setting, port)))

        yield Listeners(
            api=take("api_port", server.api_port),
            site=take("site_port", config.site_port),
            metrics=None if server.metrics_port is None else take("metrics_port", server.metrics_port),
        )


def listen(config: Config, setting: str, port: int) -> sockets_of_the_system.socket:
    """
    Take one port of the declared host; `setting` is what declares it.

    Raises:
        CommandFailed: Somebody else has it, or it cannot be had.
    """
    host = config.server.host
    try:
        family, kind, protocol, _, address = sockets_of_the_system.getaddrinfo(
            host, port, type=sockets_of_the_system.SOCK_STREAM, flags=sockets_of_the_system.AI_PASSIVE
        )[0]
        listener = sockets_of_the_system.socket(family, kind, protocol)
    except OSError as error:
        raise CommandFailed(f"{config.source.place('server', 'host')}: {host} is no address of this machine") from error
    try:
        listener.setsockopt(sockets_of_the_system.SOL_SOCKET, sockets_of_the_system.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CommandFailed(_why_not(config, setting, port, error)) from error
    listener.setblocking(False)
    return listener


def _why_not(config: Config, setting: str, port: int, error: OSError) -> str:
    host = config.server.host
    place = config.source.place("server", setting)
    if error.errno == errno.EADDRINUSE:
        return f"{place}: port {port} of {host} is in use; stop what uses it, or choose another server.{setting}"
    return f"{place}: port {port} of {host} cannot be had: {os.strerror(error.errno or 0)}"


def url_of(listener: sockets_of_the_system.socket) -> str:
    """Where this machine reaches a listener."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def port_of(listener: sockets_of_the_system.socket) -> int:
    """Which port a listener has, if any was declared or none in particular."""
    return int(listener.getsockname()[1])
