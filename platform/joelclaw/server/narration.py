"""
The server's own log: JSON lines in production, readable ones in development.
"""

import logging
import sys

import structlog

from joelclaw.functions.calls import Failure

log = structlog.get_logger("joelclaw.server")


def configure_logging(*, development: bool, level: str = "info") -> None:
    """
    JSON lines in production, readable ones in development; both on standard error.

    Every line of JSON has `time`, `level` and `event`; what concerns one call has `request_id` and `path`. Libraries
    that log by themselves (uvicorn) are told in the same form.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    rendering = _for_people() if development else _for_programs()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    others = logging.StreamHandler(sys.stderr)
    others.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *rendering,
            ],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[others])
    # A body that is cut off, because what makes it has failed, is told with the reason by whoever cuts it.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "without completing response" not in str(record.msg))


def _for_programs() -> list[structlog.typing.Processor]:
    return [structlog.processors.TimeStamper(fmt="iso", key="time"), structlog.processors.JSONRenderer()]


def _for_people() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        _failure_below,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
    ]


def _failure_below(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put message and frames of a failure, which may have many lines, below the line that tells of it."""
    texts = [event.pop(key) for key in ("message", "frames") if key in event]
    if any(texts):
        event["exception"] = "\n".join(text for text in texts if text)
    return event


def report_failure(request_id: str, path: str, failure: Failure) -> None:
    """What a client was told of a failure can be found here, by the id that it shows."""
    if failure.data is not None or failure.public:
        log.info("call refused", path=path, request_id=request_id, code=failure.code, message=failure.message)
    else:
        log.error("call failed", path=path, request_id=request_id, message=failure.message, frames=failure.frames)
