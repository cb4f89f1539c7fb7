"""
Every error that we raise on purpose.

    PlatformError
    ├── BadValue              data that has no place on the wire, or broke a rule of it
    │   ├── Int64Overflow     an Int64 outside 64 bits (an OverflowError, too)
    │   └── ValueRefused      a value does not fit the type that was declared for it
    │       └── DocumentRefused   a document does not fit its table
    ├── HintRefused           a type hint that has no wire form
    ├── BadId                 text that is no document id
    ├── BadPath               text that is no function path
    ├── BadTimestamp          text that is no commit timestamp
    └── BadDuration           a duration without unit, negative, or misspelt

    PlatformError, in functions
    ├── AppRefused            an app cannot be loaded; every problem there is
    ├── FunctionNotFound      no such function, or none that the caller may know of
    ├── WrongKind             a query called as a mutation, and so on
    ├── ArgumentsRefused      arguments do not fit a function's types
    ├── ResultRefused         a result does not fit its function's annotation
    ├── Misuse                app code used an API in a way it does not have
    ├── NotUnique             `unique()` met several documents
    ├── DocumentNotFound      `require`, `patch`, ... of a document that does not exist
    ├── NotSignedIn           a user is needed and nobody is signed in
    ├── UserNotFound          somebody is signed in, but has no document yet
    ├── InvalidCursor         a cursor of another query; clients begin again
    ├── LimitExceeded         a function read, wrote or called too much
    ├── CallFailed            in actions and tests: a function that was called has failed
    │   └── CallRefused       in tests: a function that does not answer who called it
    ├── RequestTooLarge       in HTTP actions: a request's body is larger than it may be
    ├── ResponseTooLarge      in HTTP actions: a response's is
    └── ClientGone            in HTTP actions: the client went away before it had sent all

    PlatformError, in the store
    ├── DuplicateKey          a document would repeat the key of a unique index
    ├── DuplicateId           a document would repeat an id of its table
    ├── IndexNotUnique        a new unique index, and two documents that share a key of it
    ├── TableNumberTaken      a table cannot have the number that was asked for
    ├── LayoutChanged         a newer schema is live in the database; this process knows the old one
    ├── StoreBusy             somebody else holds the write lock
    ├── StoreFull             no room; nothing was written
    ├── StoreUnreadable       the file is no database of ours, or not of this version
    ├── StoreFailed           the database failed; nothing was written
    └── OutcomeUnknown        it failed in the middle of a commit: look up the call before a retry

    PlatformError, about stored files
    ├── FileStoreFull         no room for a file; nothing of it was kept
    ├── FileStoreFailed       the folder or bucket cannot be written or read
    ├── BytesMissing          a file's bytes are not where they were kept
    ├── FileTooLarge          an upload is larger than one may be
    ├── DigestMismatch        bytes are not those that their sender says
    ├── StorageIdRefused      text that is the id of no stored file
    └── StoredFileNotFound    the file to delete does not exist, or not any more

    PlatformError, in exports and imports
    ├── ImportRefused         a file that cannot be imported; nothing was changed
    └── ExportRefused         what cannot be exported

    PlatformError, about backups
    ├── BackupFailed          a backup cannot be made, kept or restored; nothing was changed
    │   └── BackupBusy        another piece of work on backups is not over
    └── BackupDamaged         a file is no backup of ours, or not what was written

    PlatformError, at the door
    ├── TokenRefused          a user's token is nobody's, or not any more
    ├── SignInRefused         somebody cannot be signed in like this; says why, and perhaps when to try again
    ├── MailFailed            a mail cannot be handed over
    ├── AdminKeyRefused       an admin key opens nothing here, or acts as nobody
    ├── ProviderFailed        whom we asked about somebody gave no answer, or one that cannot be believed
    ├── ProtocolViolated      a socket's client did what it must not repeat
    └── RequestRefused        an HTTP request that cannot be understood or served

    PlatformError, around a deployment
    ├── ConfigRefused         joelclaw.toml cannot be read, or says what it may not
    ├── DeployRefused         a deploy or rollback that cannot be taken; nothing was changed
    ├── SystemCallFailed      one of the platform's own functions failed for the platform itself
    └── CommandFailed         a command of the command line cannot do what it was asked
        ├── NoServer          nobody answers at a deployment's address
        └── NoAdminKey        there is no key to call a deployment with

    AppError                  an app's own refusal, with data for its client
    └── RateLimited           it was done too often; try again later
    Interrupted               a BaseException: the isolate stops a run; nobody may swallow it
    ├── FunctionTimedOut      a query or mutation ran longer than one may
    ├── StatementInterrupted  a long statement of the database, of a run that is over its time
    ├── EffectRefused         a query or mutation did what only an action may: network, files, threads, ...
    └── LoopBlocked           an action awaited nothing for so long that all others stood still

An error holds facts; its sentence is made of them and ends with what to do. Facts are also
the constructor's arguments, so that errors survive pickling.

`AppError` stands apart on purpose: it is the app's word, not ours, and `except PlatformError`
must not swallow it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from joelclaw.functions.calls import Failure
    from joelclaw.functions.manifest import Problem


class PlatformError(Exception):
    """Everything we raise on purpose. Catch this to catch all of it."""

    code: ClassVar[str] = "internal"  # Clients branch on it: a rename is a breaking change.
    public: ClassVar[bool] = False  # May `str(error)` leave the server?


class BadValue(PlatformError):
    """A value cannot travel, or what arrived is none. `path` tells where in it: `.rooms[3].name`."""

    code = "bad_value"
    public = True

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason

    def inside(self, step: str) -> "BadValue":
        """The same problem, seen from the container around it: `step` is `.name` or `[3]`."""
        return BadValue(step + self.path, self.reason)


class Int64Overflow(BadValue, OverflowError):
    """A number that an `Int64` cannot hold. Nothing was made of it."""

    code = "int64_overflow"

    def __init__(self, value: int) -> None:
        super().__init__("", f"{_shortened(value)} does not fit into a signed 64-bit integer")
        self.args = (value,)
        self.value = value


class ValueRefused(BadValue):
    """A value does not fit its declared type. `value` and `validator` are texts for people."""

    code = "value_refused"

    def __init__(self, path: str, reason: str, value: str, validator: str) -> None:
        super().__init__(path, reason)
        self.args = (path, reason, value, validator)
        self.value = value
        self.validator = validator

    def __str__(self) -> str:
        path = f"\nPath: {self.path}" if self.path else ""
        return f"{self.reason}{path}\nValue: {self.value}\nValidator: {self.validator}"


class DocumentRefused(ValueRefused):
    """A document does not fit its table, or is too large for one. Nothing was written."""

    code = "document_refused"
    public = False  # It shows the table's types, and a value that need not come from the client.

    def __init__(self, table: str, path: str, reason: str, value: str, validator: str) -> None:
        super().__init__(path, reason, value, validator)
        self.args = (table, path, reason, value, validator)
        self.table = table

    def __str__(self) -> str:
        return (
            f'Failed to insert or update a document in table "{self.table}" '
            f"because it does not match the schema: {super().__str__()}"
        )


class HintRefused(PlatformError):
    """A type hint that means nothing on the wire. `advice` says what to write instead."""

    code = "hint_refused"

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason, advice)
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.reason}; {self.advice}" if self.advice else self.reason


class BadId(PlatformError):
    """Text that is no document id: wrong length, letter or checksum."""

    code = "bad_id"
    public = True

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"Unable to decode ID: {_quoted(self.text)} is not a document id; pass one as the server gave it"


class BadPath(PlatformError):
    """Text that names no function."""

    code = "bad_path"
    public = True

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{_quoted(self.path)} is not a function path: {self.reason}; write it as 'folder/module:function'"


class BadTimestamp(PlatformError):
    """Text that is no commit timestamp in the form clients send it."""

    code = "bad_timestamp"
    public = True

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"{_quoted(self.text)} is not a timestamp: expected the base64 of 8 little-endian bytes"


class BadDuration(PlatformError):
    """A duration that says no unit, is negative, or cannot be read."""

    code = "bad_duration"
    public = True

    def __init__(self, duration: object, reason: str) -> None:
        super().__init__(duration, reason)
        self.duration = duration
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.duration!r} is not a duration: {self.reason}; write '30s', '15m', '1h30m', or a timedelta"


class AppRefused(PlatformError):
    """The user's files cannot be loaded as an app. `problems` holds everything that is wrong, in order of place."""

    code = "app_refused"

    def __init__(self, problems: "Sequence[Problem]") -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class IsolateDied(PlatformError):
    """A process that runs functions ended when it should not have. What it had not committed did not happen."""

    code = "isolate_died"

    def __init__(self, role: str, what: str) -> None:
        super().__init__(role, what)
        self.role = role
        self.what = what

    def __str__(self) -> str:
        return f"the {self.role} process {self.what}; its last words are in the log"


class FunctionNotFound(PlatformError):
    """
    There is no such function, or none that this caller may know of: both read alike.

    `path` is the canonical path, so that the two cannot be told apart by their spelling either.
    """

    code = "function_not_found"
    public = True

    def __init__(self, path: str, administrator: bool = False) -> None:
        super().__init__(path, administrator)
        self.path = path
        self.administrator = administrator

    def __str__(self) -> str:
        public = "" if self.administrator else "public "
        return f"Could not find {public}function for '{self.path}'. Did you forget to run `joelclaw dev`?"


class WrongKind(PlatformError):
    """A function was called as something that it is not."""

    code = "wrong_kind"
    public = True

    def __init__(self, path: str, called_as: str, kind: str) -> None:
        super().__init__(path, called_as, kind)
        self.path = path
        self.called_as = called_as
        self.kind = kind

    def __str__(self) -> str:
        return (
            f"Trying to execute {self.path} as {self.called_as.capitalize()}, "
            f"but it is defined as {self.kind.capitalize()}."
        )


class ArgumentsRefused(PlatformError):
    """Arguments do not fit a function's types; it did not start."""

    code = "arguments_refused"
    public = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"ArgumentValidationError: {self.reason}"


class ResultRefused(PlatformError):
    """A result does not fit its function's annotation. A mutation's writes are undone."""

    code = "result_refused"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"ReturnsValidationError: {self.reason} (the result of {self.path})"


class Misuse(PlatformError):
    """App code asked for something that the API does not have. The sentence says what to write instead."""

    code = "misuse"


class NotUnique(PlatformError):
    """`unique()` met several documents. `ids` are the first two."""

    code = "not_unique"

    def __init__(self, table: str, ids: Sequence[str]) -> None:
        super().__init__(table, ids)
        self.table = table
        self.ids = ids

    def __str__(self) -> str:
        return f"unique() query returned more than one result from table {self.table}:\n[{', '.join(self.ids)}, ...]"


class DocumentNotFound(PlatformError):
    """A document that has to exist does not. Nothing was written."""

    code = "document_not_found"

    def __init__(self, action: str, id: str) -> None:
        super().__init__(action, id)
        self.action = action
        self.id = id

    def __str__(self) -> str:
        return f"{self.action} nonexistent document ID {self.id}"


class NotSignedIn(PlatformError):
    """The function needs to know who asks, and nobody is signed in."""

    code = "not_signed_in"
    public = True

    def __str__(self) -> str:
        return "Nobody is signed in; sign in and call again"


class UserNotFound(PlatformError):
    """Somebody is signed in, but the app's table has no document for them."""

    code = "user_not_found"
    public = True

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table

    def __str__(self) -> str:
        return f"The table {self.table} has no document for who is signed in; insert one when they first arrive"


class InvalidCursor(PlatformError):
    """A page was asked for with a cursor of another query. Clients know `data` and begin again with the first page."""

    code = "invalid_cursor"
    public = True
    data: ClassVar[dict[str, object]] = {"isConvexSystemError": True, "paginationError": "InvalidCursor"}

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"InvalidCursor: Tried to run a query starting from a cursor, but {self.reason}"


class LimitExceeded(PlatformError):
    """A function read, wrote or called more than one may. The run fails even if the app catches this."""

    code = "limit_exceeded"
    public = True


class CallFailed(PlatformError):
    """A function that an action or a test called has failed, but not with an `AppError`. The message is its own."""

    code = "call_failed"

    def __init__(self, message: str, failure_code: str, public: bool) -> None:
        super().__init__(message, failure_code, public)
        self.failure_code = failure_code
        self.failure_public = public

    def __str__(self) -> str:
        return str(self.args[0])


class CallRefused(CallFailed):
    """A test called a function that does not answer this caller: `allow` says no, or there is no such function."""

    code = "call_refused"


class DuplicateKey(PlatformError):
    """A document would repeat the key of a unique index. Nothing was written."""

    code = "duplicate_key"
    public = True

    def __init__(self, table: str, index: str, holder: str) -> None:
        super().__init__(table, index, holder)
        self.table = table
        self.index = index
        self.holder = holder

    def __str__(self) -> str:
        return (
            f"{self.table}.{self.index} is unique and {self.holder} has this key already; "
            f"patch that document, or choose another key"
        )


class DuplicateId(PlatformError):
    """A document would repeat an id of its table. Nothing was written."""

    code = "duplicate_id"
    public = True

    def __init__(self, table: str, id: str) -> None:
        super().__init__(table, id)
        self.table = table
        self.id = id

    def __str__(self) -> str:
        return f"{self.table} holds {self.id} already; replace that document, or insert without an id"


class IndexNotUnique(PlatformError):
    """A new unique index cannot be filled: two documents share a key of it. The layout is as it was."""

    code = "index_not_unique"

    def __init__(self, table: str, index: str, first: str, second: str) -> None:
        super().__init__(table, index, first, second)
        self.table = table
        self.index = index
        self.first = first
        self.second = second

    def __str__(self) -> str:
        return (
            f"{self.table}.{self.index} cannot be unique: {self.first} and {self.second} have the same key; "
            f"change or delete one of them, or drop unique=True"
        )


class TableNumberTaken(PlatformError):
    """A table cannot have the number that was asked for. The layout is as it was."""

    code = "table_number_taken"

    def __init__(self, table: str, number: int, reason: str) -> None:
        super().__init__(table, number, reason)
        self.table = table
        self.number = number
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.table} cannot have the table number {self.number}: {self.reason}"


class LayoutChanged(PlatformError):
    """A newer schema is live in the database than the one this process was prepared for. Nothing was written."""

    code = "layout_changed"

    def __str__(self) -> str:
        return "A newer schema is live in the database; this process serves an older one and must be replaced"


class StoreBusy(PlatformError):
    """Another process holds the write lock for too long. Nothing was written; trying again is right."""

    code = "store_busy"

    def __init__(self, path: str, lock_timeout_s: float) -> None:
        super().__init__(path, lock_timeout_s)
        self.path = path
        self.lock_timeout_s = lock_timeout_s

    def __str__(self) -> str:
        return (
            f"Another process has locked {self.path} for more than {self.lock_timeout_s:g} s; "
            f"close the program that writes to it, or try again"
        )


class StoreFull(PlatformError):
    """The database has no room to grow. The transaction is lost, nothing of it was written."""

    code = "store_full"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"There is no room for {self.path} to grow; nothing was written. Free some space and try again"


class StoreUnreadable(PlatformError):
    """A database cannot be opened, for what it is or for what it is not. It was left as it is."""

    code = "store_unreadable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


class StoreFailed(PlatformError):
    """The database failed: a disk error, damage. The transaction is lost, nothing of it was written."""

    code = "store_failed"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} failed: {self.reason}; nothing was written. Look at the disk, then at the latest backup"


class OutcomeUnknown(PlatformError):
    """A commit failed half way: it may or may not be durable. Look up the call's record before a retry."""

    code = "outcome_unknown"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} failed during a commit: {self.reason}; what was written will show after a restart"


class FileStoreFull(PlatformError):
    """There is no room for a file. Nothing of it was kept."""

    code = "file_store_full"

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: there is no room for the file; make some, and store it again"


class FileStoreFailed(PlatformError):
    """Where bytes of files are kept cannot be written or read. What was being stored was not kept."""

    code = "file_store_failed"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}; look at [files] in joelclaw.toml, and at what may be written there"


class BytesMissing(PlatformError):
    """A file is known and its bytes are not where they were kept: somebody has removed or cut them."""

    code = "bytes_missing"

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: the bytes of this file are gone; put them back from a copy, or delete the file"


class FileTooLarge(PlatformError):
    """An upload is larger than one may be. Nothing of it was kept."""

    code = "file_too_large"
    public = True

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self.bytes_max = bytes_max

    def __str__(self) -> str:
        return (
            f"The file is larger than {self.bytes_max:,} bytes; "
            f"send less, or raise limits.upload_bytes in joelclaw.toml"
        )


class DigestMismatch(PlatformError):
    """Bytes came that are not those that their sender says. Nothing of them was kept."""

    code = "digest_mismatch"
    public = True

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected, found)
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return f"The SHA-256 of the bytes is {self.found}, not {self.expected}; send the file again"


class StorageIdRefused(PlatformError):
    """What was given for the id of a stored file is none: other text, or an id of another table."""

    code = "storage_id_refused"

    def __init__(self, method: str, id: str) -> None:
        super().__init__(method, id)
        self.method = method
        self.id = id

    def __str__(self) -> str:
        return f"Invalid argument `storage_id` for `ctx.storage.{self.method}`: Invalid storage ID: {self.id!r:.80}"


class StoredFileNotFound(PlatformError):
    """The file that was to be deleted does not exist, or not any more."""

    code = "stored_file_not_found"

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id

    def __str__(self) -> str:
        return f"storage id {self.id} not found"


class BackupFailed(PlatformError):
    """A backup cannot be made, kept or restored. What was there before is there still."""

    code = "backup_failed"


class BackupBusy(BackupFailed):
    """Work on backups is done one at a time, and other work is not over. Nothing was begun."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return f"another backup, drill or restore is at work in {self.folder}; wait until it has ended"


class BackupDamaged(PlatformError):
    """A file is no backup of ours, or not what was written. Nothing was restored from it."""

    code = "backup_damaged"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name} is not sound: {self.reason}; use another backup"


class TokenRefused(PlatformError):
    """A user's token is nobody's, or not any more. `reason_code` is the word that clients know the reason by."""

    code = "token_refused"
    public = True

    def __init__(self, reason_code: str, reason: str) -> None:
        super().__init__(reason_code, reason)
        self.reason_code = reason_code
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class SignInRefused(PlatformError):
    """
    Somebody cannot be signed in like this. Nothing has changed.

    `reason_code` is for programs: `INVALID_CREDENTIALS`, `RATE_LIMITED`, `INVALID_CODE` and so on. `reason` is for
    people, and some apps know it by heart: `InvalidSecret`, `Could not verify code`.
    """

    code = "sign_in_refused"
    public = True

    def __init__(self, reason_code: str, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason_code, reason, retry_after_s)
        self.reason_code = reason_code
        self.reason = reason
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.reason


class MailFailed(PlatformError):
    """A mail cannot be handed over. `reason` is for the log: it may quote the mail server."""

    code = "mail_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class AdminKeyRefused(PlatformError):
    """An admin key opens nothing here, or it is unclear whom it wants to act as."""

    code = "admin_key_refused"
    public = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class ProviderFailed(PlatformError):
    """Whom we asked about somebody gave no answer, or one that cannot be believed. Nobody was signed in."""

    code = "provider_failed"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place} {self.reason}"


class ProtocolViolated(PlatformError):
    """A socket's client sent what it must not send again; its official library will not."""

    code = "protocol_violated"
    public = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class RequestRefused(PlatformError):
    """An HTTP request cannot be understood or served. `reason_code` is the word that clients know the reason by."""

    code = "request_refused"
    public = True

    def __init__(self, status: int, reason_code: str, reason: str) -> None:
        super().__init__(status, reason_code, reason)
        self.status = status
        self.reason_code = reason_code
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class RequestTooLarge(PlatformError):
    """The body of an HTTP request is larger than it may be. What was read is its beginning."""

    code = "request_too_large"
    public = True

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self.bytes_max = bytes_max

    def __str__(self) -> str:
        return (
            f"The request's body is larger than {self.bytes_max:,} bytes; "
            f"raise limits.http_body_bytes in joelclaw.toml, or send less"
        )


class ResponseTooLarge(PlatformError):
    """The body of an HTTP action's response is larger than it may be. What was sent is its beginning."""

    code = "response_too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self.bytes_max = bytes_max

    def __str__(self) -> str:
        return (
            f"The response's body is larger than {self.bytes_max:,} bytes; "
            f"raise limits.http_body_bytes in joelclaw.toml, or hand out the address of a stored file"
        )


class ClientGone(PlatformError):
    """An HTTP action reads a body whose client went away. There is nobody left to answer."""

    code = "client_gone"
    public = True

    def __str__(self) -> str:
        return "The client went away before all of the request's body was there"


class ConfigRefused(PlatformError):
    """The declaration of a deployment cannot be used. `line` is None for what concerns the whole file."""

    code = "config_refused"

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        super().__init__(file, line, reason)
        self.file = file
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file} {self.reason}" if self.line is None else f"{self.file}:{self.line}: {self.reason}"


class DeployRefused(PlatformError):
    """A deploy or rollback that cannot be taken, whatever the code in it is worth. Nothing was changed."""

    code = "deploy_refused"
    public = True

    def __init__(self, reason_code: str, reason: str) -> None:
        super().__init__(reason_code, reason)
        self.reason_code = reason_code
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class SystemCallFailed(PlatformError):
    """The gateway called one of the platform's own functions, and it failed. It changed nothing."""

    code = "system_call_failed"

    def __init__(self, path: str, message: str, failure: "Failure | None" = None) -> None:
        super().__init__(path, message, failure)
        self.path = path
        self.message = message
        self.failure = failure
        """All of it: the app's own word to its client may be in there."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class CommandFailed(PlatformError):
    """A command cannot do what it was asked, for a reason outside of it. The sentence says what to do."""

    code = "command_failed"


class NoAdminKey(CommandFailed):
    """There is no key at hand to call a deployment with."""


class NoServer(CommandFailed):
    """Nobody answers at a deployment's address, or whoever did went away. It may come back."""


class Interrupted(BaseException):
    """
    The isolate stops a run: its time is over, or it did what only an action may.

    Not an `Exception`, so that `except Exception` in an app does not swallow it; the run fails
    even where something did.
    """

    code: ClassVar[str] = "interrupted"


class FunctionTimedOut(Interrupted):
    """A query or mutation ran longer than one may. A mutation's writes are undone."""

    code = "function_timed_out"

    def __init__(self, limit_s: float, limit: str) -> None:
        super().__init__(limit_s, limit)
        self.limit_s = limit_s
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"Function execution timed out (maximum duration: {self.limit_s:g}s). "
            f"Consider doing less at a time, or raise limits.{self.limit} in joelclaw.toml."
        )


class StatementInterrupted(Interrupted):
    """A statement of the database was ended, because the run that waits for it is over its time."""

    code = "statement_interrupted"

    def __str__(self) -> str:
        return "A statement of the database was ended: its function is over its time"


class EffectRefused(Interrupted):
    """A query or mutation reached out of its transaction, which may be repeated. Nothing was done."""

    code = "effect_refused"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"Can't use {self.what} in queries and mutations. Please consider using an action."


class LoopBlocked(Interrupted):
    """An action kept the event loop from all the others. What it did until then stays done."""

    code = "loop_blocked"

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.limit_s = limit_s

    def __str__(self) -> str:
        return (
            f"An action ran for more than {self.limit_s:g}s without awaiting anything, and all others had to wait; "
            f"move such work to asyncio.to_thread(), or raise limits.action_blocks_s in joelclaw.toml"
        )


class AppError(Exception):
    """
    An app's refusal. Its client receives it as a `ConvexError` with this data; a mutation is undone.

    `data` is any wire value: a sentence, or an object that the client's code looks into.
    """

    data: Any = None
    """None, too, of a subclass whose `__init__` does not call ours."""

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.data = data


class RateLimited(AppError):
    """It was done too often: `RateLimit.take` found too few tokens, and took none."""

    def __init__(self, name: str, retry_after_s: float) -> None:
        # Whole milliseconds, upwards: whoever waits so long does not come a moment too early.
        after_s = math.ceil(retry_after_s * 1_000) / 1_000
        super().__init__({"code": "RATE_LIMITED", "name": name, "retryAfterS": after_s})
        self.args = (name, retry_after_s)
        self.name = name
        self.retry_after_s = after_s


def _quoted(text: str, length_max: int = 80) -> str:
    """Somebody else's text inside our sentence: repr'd, and never a megabyte of it."""
    return repr(text) if len(text) <= length_max else f"{text[:length_max]!r}..."


def _shortened(value: int) -> str:
    # Decimal digits of a huge integer cost quadratic time, and Python refuses beyond 4300 of them.
    return str(value) if value.bit_length() <= 256 else f"an integer of {value.bit_length()} bits"


# -- exports and imports


class ImportRefused(PlatformError):
    """A file cannot be imported. Nothing was changed."""

    code = "import_refused"
    public = True

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


class ExportRefused(PlatformError):
    """There is nothing that could be exported so."""

    code = "export_refused"
    public = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
