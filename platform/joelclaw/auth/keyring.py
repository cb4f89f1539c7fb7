"""
Keys: what tokens are signed with, and what everything else of sign-in is protected with.

    signing keys   RSA, 2048 bits; their public halves are served to whoever verifies our tokens
    server key     256 bits; MACs over refresh tokens, encryption of what a sign-in leaves in rows

They are made at the first start and kept in the database, sealed (AES-GCM) with a key that is not in
it: a file beside it that nobody else may read, or `[auth] key`. So a copy of the database, or a backup,
makes nobody's token; and who restores one elsewhere takes the file along, or everybody signs in again.

A signing key is published before it signs: others keep our key set for a while. It is published after
it has signed, as long as a token of it may be around.

Elsewhere: `system/auth/keys.py` keeps the rows; `own_tokens.py` signs.
"""

import hashlib
import hmac
import os
import secrets
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import RSAKey

from joelclaw.clock import Clock
from joelclaw.errors import CommandFailed

RSA_BITS: Final = 2_048
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

ALGORITHM: Final = "RS256"

Purpose = str


class Sealed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key as it is kept."""

    kind: str
    """"signing" or "server"."""

    kid: str
    secret: str
    signs_from: float = 0.0
    retires_at: float | None = None


class Seal:
    """Encrypts what is kept, with a key derived from a secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def close(self, purpose: Purpose, data: bytes) -> str:
        """Encrypted and authenticated, as text; only the same purpose opens it."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return b64encode(nonce + self._cipher(purpose).encrypt(nonce, data, purpose.encode())).decode()

    def open(self, purpose: Purpose, text: str) -> bytes:
        """
        What was sealed.

        Raises:
            ValueError: It was sealed with another secret, for another purpose, or it was changed.
        """
        raw = b64decode(text, validate=True)
        try:
            return self._cipher(purpose).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode())
        except InvalidTag:
            raise ValueError("sealed with another key, or changed") from None

    def _cipher(self, purpose: Purpose) -> AESGCM:
        return AESGCM(hmac.digest(self._secret, f"seal|{purpose}".encode(), hashlib.sha256))


class SigningKey:
    """A pair of keys of which one signs."""

    def __init__(self, pair: RSAKey, *, signs_from: float = 0.0, retires_at: float | None = None) -> None:
        self.pair = pair
        self.kid = pair.thumbprint()  # RFC 7638: the same key has the same name everywhere.
        self.signs_from = signs_from
        self.retires_at = retires_at

    @classmethod
    def generate(cls, *, signs_from: float = 0.0) -> "SigningKey":
        """A new one. A third of a second of work: not on the event loop."""
        return cls(RSAKey.generate_key(RSA_BITS, private=True), signs_from=signs_from)

    @classmethod
    def from_pem(cls, pem: str, *, signs_from: float = 0.0) -> "SigningKey":
        """
        One that was made elsewhere, as PKCS#8; its lines may have become spaces on the way through an environment.

        Raises:
            ValueError: It is none.
        """
        return cls(RSAKey.import_key(_mended(pem)), signs_from=signs_from)

    def sealed(self, seal: Seal) -> Sealed:
        secret = seal.close(f"signing|{self.kid}", self.pair.as_pem(private=True))
        return Sealed(
            kind="signing", kid=self.kid, secret=secret, signs_from=self.signs_from, retires_at=self.retires_at
        )

    @property
    def public(self) -> dict[str, Any]:
        """As a key set has it: what is public, and nothing else."""
        key = self.pair.as_dict(private=False)
        return {"kty": "RSA", "use": "sig", "alg": ALGORITHM, "kid": self.kid, "n": key["n"], "e": key["e"]}


class Keyring:
    """The keys of a deployment, opened."""

    def __init__(self, server_key: bytes, signing: Iterable[SigningKey], clock: Clock) -> None:
        self._server_key = server_key
        self._seal = Seal(server_key)
        self._clock = clock
        self.signing = list(signing)

    @classmethod
    def opened(cls, rows: Iterable[Sealed], seal: Seal, clock: Clock) -> "Keyring":
        """
        The keys that are kept.

        Raises:
            ValueError: They were sealed with another key.
        """
        server_key, signing = b"", []
        for row in rows:
            secret = seal.open(f"{row.kind}|{row.kid}", row.secret)
            if row.kind == "server":
                server_key = secret
            else:
                pair = RSAKey.import_key(secret.decode())
                signing.append(SigningKey(pair, signs_from=row.signs_from, retires_at=row.retires_at))
        return cls(server_key, signing, clock)

    @property
    def published(self) -> list[SigningKey]:
        """All that a token may have been signed with, and what will sign next."""
        now = self._clock.now_ms()
        return [key for key in self.signing if key.retires_at is None or key.retires_at > now]

    @property
    def signer(self) -> SigningKey:
        """What signs now: the newest of those that have been published for long enough."""
        now = self._clock.now_ms()
        return max((key for key in self.published if key.signs_from <= now), key=lambda key: key.signs_from)

    def find(self, kid: str) -> SigningKey | None:
        """The published key of this name."""
        return next((key for key in self.published if key.kid == kid), None)

    def mac(self, purpose: Purpose, *parts: str) -> str:
        """A MAC over texts, each of which is bound to its place; 43 characters that a URL takes as they are."""
        key = hmac.digest(self._server_key, f"mac|{purpose}".encode(), hashlib.sha256)
        digest = hmac.digest(key, msgspec.json.encode(parts), hashlib.sha256)
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def has_mac(self, mac: str, purpose: Purpose, *parts: str) -> bool:
        """Compared in a time that tells nothing."""
        return hmac.compare_digest(mac.encode("utf-8", "replace"), self.mac(purpose, *parts).encode())

    def seal(self, purpose: Purpose, data: bytes) -> str:
        """Encrypt what a row is to keep and nobody to read: a verified profile between two requests, say."""
        return self._seal.close(purpose, data)

    def unseal(self, purpose: Purpose, text: str) -> bytes:
        """
        What was sealed.

        Raises:
            ValueError: Not by this deployment, or for another purpose.
        """
        return self._seal.open(purpose, text)


def new_server_key(seal: Seal) -> Sealed:
    """A server key, sealed."""
    kid = secrets.token_hex(8)
    return Sealed(kind="server", kid=kid, secret=seal.close(f"server|{kid}", secrets.token_bytes(KEY_BYTES)))


def file_key(path: Path) -> tuple[bytes, bool]:
    """
    The key in this file, made if there is none; and whether it was.

    Whoever starts at the same moment finds a whole file or none, and both have the same key.

    Raises:
        CommandFailed: The file cannot be read or made, or holds no key.
    """
    try:
        try:
            return _key_in(path), False
        except FileNotFoundError:
            return _make_key(path)
    except OSError as error:
        raise CommandFailed(
            f"{path} cannot be used: {os.strerror(error.errno or 0)}; it holds the key of sign-in, "
            f"and the server has to be able to read and write it"
        ) from error


def _make_key(path: Path) -> tuple[bytes, bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # Unlike a rename, it replaces nobody's.
        except FileExistsError:
            return _key_in(path), False
    finally:
        draft.unlink()
    return _key_in(path), True


def _key_in(path: Path) -> bytes:
    text = path.read_bytes().strip()
    if len(text) < KEY_BYTES:
        raise CommandFailed(f"{path} holds no key; put back the file that belongs to this database")
    return hashlib.sha256(text).digest()


def secret_key(text: str) -> bytes:
    """The key that `[auth] key` declares."""
    return hashlib.sha256(text.encode()).digest()


def _mended(pem: str) -> str:
    """Lines again, where an environment has made spaces of them."""
    begin, end = "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"
    body = pem.replace("\\n", "\n").strip().removeprefix(begin).removesuffix(end)
    return "\n".join([begin, *body.split(), end, ""])
