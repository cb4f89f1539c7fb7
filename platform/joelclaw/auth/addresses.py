"""
Addresses of people, as they type them; and the networks that they ask from.

An address is checked before anything is done with it, and is afterwards in a form that a mail's header takes as it
is: a mailbox of RFC 5321 without quotes, in ASCII. A domain in another script becomes what DNS calls it.
What is sent to is what was checked: an address that only looks like another one, or becomes it in
another normal form, is either refused or that other one throughout.
"""

import ipaddress
import re
from typing import Any, Final

from joelclaw.errors import SignInRefused

LENGTH_MAX: Final = 254
"""RFC 5321, 4.5.3.1.3, less the angle brackets."""

LOCAL_LENGTH_MAX: Final = 64

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def parse_address(given: Any) -> str:
    """
    The address, to send to and to show; its local part is spelled as given.

    Raises:
        SignInRefused: It is none.
    """
    if not isinstance(given, str) or not given.strip(" "):
        raise SignInRefused("BAD_ARGUMENTS", "Missing `email` param")
    if len(given) > LENGTH_MAX + 64:  # Before anything that takes longer for longer text.
        raise _no_address()
    local, _, domain = given.strip(" ").rpartition("@")
    try:
        domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        raise _no_address() from None
    address = f"{local}@{domain}"
    if len(address) > LENGTH_MAX or len(local) > LOCAL_LENGTH_MAX:
        raise _no_address()
    if _LOCAL.fullmatch(local) is None or _DOMAIN.fullmatch(domain) is None:
        raise _no_address()
    return address


def network_of(address: str) -> str:
    """What is counted as one caller: an IPv4 address, or the /64 that an IPv6 host can choose from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def is_loopback(address: str) -> bool:
    """Whether whoever has this address is on this machine."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _no_address() -> SignInRefused:
    return SignInRefused("BAD_ARGUMENTS", "Invalid `email` param: write an address like ann@example.com")
