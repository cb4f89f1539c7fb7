"""What `[backup]` may say, beyond the types of its settings."""

from joelclaw.config import Config
from joelclaw.errors import ConfigRefused
from joelclaw.values.calendars import calendar_problem


def check_declaration(config: Config) -> None:
    """
    Refuse a declaration that no backup can be made by.

    Raises:
        ConfigRefused: With the line.
    """
    # Late: a server without backups has no use for it.
    from zoneinfo import ZoneInfo

    def refuse(setting: str, reason: str) -> ConfigRefused:
        return ConfigRefused(config.source.path.name, config.source.line("backup", setting), reason)

    backup = config.backup
    if backup.cron is not None and (problem := calendar_problem(backup.cron)) is not None:
        reason, advice = problem
        raise refuse("cron", f"backup.cron: {reason}; {advice}")
    try:
        ZoneInfo(backup.tz)
    except (ValueError, OSError, LookupError):
        reason = f"backup.tz: there is no time zone {backup.tz!r:.80}; write one like Europe/Berlin or UTC"
        raise refuse("tz", reason) from None
    if not backup.to:
        raise refuse("to", 'backup.to names no place; write one like ["file:///data/backups"]')
