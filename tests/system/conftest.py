"""Fixtures: deployments in temporary folders, on a clock that is moved."""

from tests.functions.conftest import deployment

__all__ = ["deployment"]
