"""Hashes of passwords: their forms, those that were imported, and how many are computed at once."""

import asyncio
import hashlib
import threading

import pytest

from joelclaw.auth.hashing import Hasher, Strength, Verdict, new_password, normal_form
from joelclaw.errors import SignInRefused
from tests.auth.mailing import CHEAP


def verify(hasher: Hasher, stored: str | None, password: str) -> Verdict:
    return asyncio.run(hasher.verify(stored, normal_form(password)))


def hashed(hasher: Hasher, password: str) -> str:
    return asyncio.run(hasher.hash(new_password(password)))


def imported(password: str, salt: str) -> str:
    """As Convex Auth keeps it: the salt is the text of its digits."""
    key = hashlib.scrypt(password.encode(), salt=salt.encode(), n=16_384, r=16, p=1, dklen=64, maxmem=64 * 2**20)
    return f"{salt}:{key.hex()}"


def test_hashes_are_argon2id_and_salted() -> None:
    """The form says its parameters; two of one password differ, and both verify."""
    hasher = Hasher()
    one = hashed(hasher, "correct horse")
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    hasher = Hasher(CHEAP)
    two, three = hashed(hasher, "correct horse"), hashed(hasher, "correct horse")
    assert two != three
    assert verify(hasher, two, "correct horse") == Verdict(True)
    assert verify(hasher, two, "correct horsf") == Verdict(False)


def test_no_hash_is_a_wrong_password() -> None:
    """P1: whatever the password, for no account it is wrong."""
    assert verify(Hasher(CHEAP), None, "correct horse") == Verdict(False)


def test_a_hash_of_other_parameters_is_made_anew() -> None:
    """On success only; the new one is of ours."""
    stored = hashed(Hasher(Strength(time_cost=2, memory_kib=8)), "correct horse")
    hasher = Hasher(CHEAP)
    verdict = verify(hasher, stored, "correct horse")
    assert verdict.right
    assert verdict.better is not None
    assert "m=8,t=1,p=1" in verdict.better
    assert verify(hasher, verdict.better, "correct horse") == Verdict(True)
    assert verify(hasher, stored, "wrong horse!") == Verdict(False)


def test_imported_hashes_verify_and_are_replaced() -> None:
    """Those of scrypt, with a salt that is the text of its digits; a wrong password replaces nothing."""
    stored = imported("correct horse", "00112233445566778899aabbccddeeff")
    hasher = Hasher(CHEAP)
    verdict = verify(hasher, stored, "correct horse")
    assert verdict.right
    assert verdict.better is not None
    assert verdict.better.startswith("$argon2id$")
    assert verify(hasher, verdict.better, "correct horse") == Verdict(True)
    assert verify(hasher, stored, "wrong horse!") == Verdict(False)


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$$", "0" * 32 + ":" + "0" * 127, "plain text"])
def test_what_is_no_hash_verifies_nothing(stored: str) -> None:
    """A damaged row keeps everybody out, and fails nothing else."""
    assert verify(Hasher(CHEAP), stored, "plain text") == Verdict(False)


@pytest.mark.parametrize(
    ("password", "bytes_"),
    [("\ufb01ne words", b"fine words"), ("e\u0301", "é".encode()), ("a\0b", b"a\0b"), ("", b"")],
)
def test_the_normal_form_is_nfkc(password: str, bytes_: bytes) -> None:
    """P17: however a keyboard composes it; nothing is cut off at a NUL."""
    assert normal_form(password) == bytes_


def test_length_is_counted_after_normalizing() -> None:
    """P17: eight characters, of which none is half of another."""
    with pytest.raises(SignInRefused):
        new_password("e\u0301" * 7)
    assert new_password("e\u0301" * 8)
    assert new_password("\U0001f40e" * 8)


def test_a_caller_that_goes_away_makes_no_room() -> None:
    """P18: its thread is at work all the same, so cancelled calls count until that is over."""
    gate = threading.Event()

    class Slow(Hasher):
        def _hash(self, password: bytes) -> str:
            assert gate.wait(60)
            return super()._hash(password)

    async def crowd() -> None:
        hasher = Slow(CHEAP, threads=1, waiting_max=1)
        calls = [asyncio.ensure_future(hasher.hash(b"12345678")) for _ in range(2)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(SignInRefused) as refused:
            await hasher.hash(b"12345678")
        assert refused.value.reason_code == "RATE_LIMITED"
        assert refused.value.retry_after_s
        gate.set()
        # Both end by themselves; then there is room again.
        while True:
            try:
                assert (await hasher.hash(b"12345678")).startswith("$argon2id$")
            except SignInRefused:
                await asyncio.sleep(0)
            else:
                return

    asyncio.run(asyncio.wait_for(crowd(), 60))


def test_a_failure_leaves_its_place_free() -> None:
    """What goes wrong in a thread is the caller's, and the next one gets in."""

    class Failing(Hasher):
        def _hash(self, password: bytes) -> str:
            raise MemoryError(len(password))

    async def twice() -> None:
        hasher = Failing(CHEAP, threads=1, waiting_max=0)
        for _ in range(3):
            with pytest.raises(MemoryError):
                await hasher.hash(b"12345678")
            await asyncio.sleep(0)

    asyncio.run(twice())
