"""
Hashing of passwords: slow on purpose, so a few threads do it, and only so many may wait.

New hashes are argon2id's, in the form that says its own parameters (`$argon2id$v=19$m=...`). Those of imported
accounts may be scrypt's, `salt:key` in hexadecimal digits as Convex Auth has them; they are verified
as they are, and replaced as soon as their owner comes with the password.

A password is compared in Unicode's normal form NFKC: how a keyboard composes an accent is none of
its owner's business.
"""

import asyncio
import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct

from joelclaw.errors import SignInRefused

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

LENGTH_MIN: Final = 8
BYTES_MAX: Final = 4_096
THREADS: Final = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Half of the cores: the other half is for everybody who is signed in already."""

WAITING_MAX: Final = 20
"""Passwords that wait for a thread: some seconds of work. Who comes then is told to come again."""

RETRY_AFTER_S: Final = 2.0

SCRYPT: Final = re.compile(r"([0-9a-f]{32}):([0-9a-f]{128})")
SCRYPT_MEMORY: Final = 64 * 2**20


class Strength(Struct, frozen=True):
    """What a hash costs: RFC 9106's second recommended choice, in one lane, since whole requests run side by side."""

    time_cost: int = 3
    memory_kib: int = 65_536


class Verdict(Struct, frozen=True):
    """Whether a password was the right one."""

    right: bool
    better: str | None = None
    """A hash of it that is to replace the one that it was compared with."""


class Hasher:
    """Makes and compares hashes, some at once."""

    def __init__(self, strength: Strength | None = None, *, threads: int = THREADS, waiting_max: int = WAITING_MAX):
        self._strength = strength or Strength()
        self._places = threads + waiting_max
        self._threads = ThreadPoolExecutor(threads, "passwords")
        self._busy = 0
        self._argon2: PasswordHasher | None = None
        self._nobodys = ""

    async def hash(self, password: bytes) -> str:
        """
        Raises:
            SignInRefused: Too many wait already.
        """
        return await self._run(self._hash, password)

    async def verify(self, stored: str | None, password: bytes) -> Verdict:
        """
        Compare a password with a hash. With None, it is wrong, which takes as long to find out.

        Raises:
            SignInRefused: Too many wait already.
        """
        return await self._run(self._verify, stored, password)

    def refuse_if_full(self) -> None:
        """
        For who has something to do before: nobody pays for a guess that is not going to be checked.

        Raises:
            SignInRefused: Too many wait already.
        """
        if self._busy >= self._places:
            raise SignInRefused("RATE_LIMITED", "Too many sign-ins at once; try again in a moment", RETRY_AFTER_S)

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        self.refuse_if_full()
        self._busy += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
        # A caller that goes away does not make room: its thread is at work all the same.
        running.add_done_callback(self._over)
        return await asyncio.shield(running)

    def _over(self, running: "asyncio.Future[Any]") -> None:
        self._busy -= 1
        if not running.cancelled():
            running.exception()  # Its caller may be gone, and asyncio complains about what nobody has looked at.

    # -- in threads

    def _hash(self, password: bytes) -> str:
        return self._hasher.hash(password)

    def _verify(self, stored: str | None, password: bytes) -> Verdict:
        if stored is not None and (scrypt := SCRYPT.fullmatch(stored)):
            right = _is_scrypt_of(scrypt[1], scrypt[2], password)
            return Verdict(right, self._hash(password) if right else None)
        hasher, nobodys = self._hasher, self._hash_of_nobody()
        right = _is_argon2_of(hasher, stored or nobodys, password) and stored is not None
        better = right and hasher.check_needs_rehash(stored or "")
        return Verdict(right, self._hash(password) if better else None)

    @property
    def _hasher(self) -> "PasswordHasher":
        if self._argon2 is None:
            from argon2 import PasswordHasher

            self._argon2 = PasswordHasher(self._strength.time_cost, self._strength.memory_kib, parallelism=1)
        return self._argon2

    def _hash_of_nobody(self) -> str:
        # Only its parameters count: `_is_argon2_of` does the work that they ask for.
        if not self._nobodys:
            self._nobodys = self._hash(secrets.token_bytes(16))
        return self._nobodys


def normal_form(password: Any) -> bytes:
    """
    A password as it is hashed.

    Raises:
        ValueError: It is no text, or so long that nobody has typed it.
    """
    if not isinstance(password, str) or len(password) > BYTES_MAX:
        raise ValueError("no password")
    raw = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    if len(raw) > BYTES_MAX:
        raise ValueError("no password")
    return raw


def new_password(password: Any) -> bytes:
    """
    A password that somebody has chosen, as it is hashed.

    Raises:
        SignInRefused: It is too short, or too long.
    """
    try:
        raw = normal_form(password)
    except ValueError:
        raise SignInRefused("PASSWORD_TOO_WEAK", f"Invalid password: it has more than {BYTES_MAX} bytes") from None
    if len(raw.decode("utf-8", "surrogatepass")) < LENGTH_MIN:
        raise SignInRefused("PASSWORD_TOO_WEAK", f"Invalid password: choose one of {LENGTH_MIN} characters or more")
    return raw


def _is_argon2_of(hasher: "PasswordHasher", stored: str, password: bytes) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _is_scrypt_of(salt: str, key: str, password: bytes) -> bool:
    # The salt is the text of the digits, not what they stand for.
    made = hashlib.scrypt(password, salt=salt.encode(), n=2**14, r=16, p=1, dklen=64, maxmem=SCRYPT_MEMORY)
    return hmac.compare_digest(made.hex(), key)
