"""
joelclaw: a reactive backend whose functions are typed Python files.

These names are the author's API: what `schema.py` and `app_functions/` import, and all that
they need.
"""

from msgspec import UNSET, Meta, UnsetType, field

from joelclaw.errors import AppError, RateLimited
from joelclaw.functions.calls import Identity
from joelclaw.functions.contexts import ActionCtx, MutationCtx, QueryCtx
from joelclaw.functions.crons import cron
from joelclaw.functions.db import Reader, Writer
from joelclaw.functions.decorators import Action, Mutation, Query, action, mutation, query
from joelclaw.functions.http import Request, Response
from joelclaw.functions.http_actions import HttpAction, http_action
from joelclaw.functions.rate_limits import Allowance, RateLimit
from joelclaw.functions.retries import Retry
from joelclaw.functions.rows import Rows, Scan
from joelclaw.functions.rules import anyone, role, signed_in
from joelclaw.functions.sign_in import LoginSession
from joelclaw.functions.snippets import snippet
from joelclaw.functions.storage import FileMetadata, StoredBlob
from joelclaw.functions.vectors import Hit
from joelclaw.schema.bounds import between, gt, gte, lt, lte
from joelclaw.schema.indexes import Index, index
from joelclaw.schema.marks import Arg, Id
from joelclaw.schema.pagination import Page, PageOptions
from joelclaw.schema.search import SearchIndex, VectorIndex, any_of, search_index, vector_index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
from joelclaw.system.tables import ScheduledJob, StoredFile
from joelclaw.values.int64 import Int64

__all__ = [
    "UNSET",
    "Action",
    "ActionCtx",
    "Allowance",
    "AppError",
    "Arg",
    "FileMetadata",
    "Hit",
    "HttpAction",
    "Id",
    "Identity",
    "Index",
    "Int64",
    "LoginSession",
    "Meta",
    "Mutation",
    "MutationCtx",
    "Object",
    "Page",
    "PageOptions",
    "Query",
    "QueryCtx",
    "RateLimit",
    "RateLimited",
    "Reader",
    "Request",
    "Response",
    "Retry",
    "Rows",
    "Scan",
    "ScheduledJob",
    "SearchIndex",
    "StoredBlob",
    "StoredFile",
    "Table",
    "UnsetType",
    "VectorIndex",
    "Writer",
    "action",
    "any_of",
    "anyone",
    "between",
    "cron",
    "field",
    "gt",
    "gte",
    "http_action",
    "index",
    "lt",
    "lte",
    "mutation",
    "query",
    "role",
    "search_index",
    "signed_in",
    "snippet",
    "vector_index",
]
