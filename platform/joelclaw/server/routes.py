"""
Routes of the client port beside those of calls and sockets, and who answers them.
"""

import asyncio

from joelclaw.auth.authenticator import Authenticator
from joelclaw.deploy.deployer import Origins
from joelclaw.deploy.versions import Versions
from joelclaw.engine.engine import Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.http.administration import AdministrationRoutes
from joelclaw.http.api import Handler
from joelclaw.http.deploy import DeployRoutes
from joelclaw.http.environment import EnvironmentRoutes
from joelclaw.http.health import HealthRoutes
from joelclaw.http.logs import LogRoutes
from joelclaw.http.pushes import PushRoutes
from joelclaw.http.transfer import TransferRoutes
from joelclaw.logs.recorder import RunLog
from joelclaw.transfer.transfers import Transfers


def health_routes(health: HealthRoutes) -> dict[str, dict[str, Handler]]:
    return {
        "/health/live": {"GET": health.live},
        "/health/ready": {"GET": health.ready},
        "/metrics": {"GET": health.metrics},
    }


def admin_routes(
    engine: Engine, authenticator: Authenticator, run_log: RunLog, stop: asyncio.Event
) -> dict[str, dict[str, Handler]]:
    environment = EnvironmentRoutes(SystemCalls(engine), authenticator)
    logs = LogRoutes(run_log, authenticator, stop)
    return {
        "/api/update_environment_variables": {"POST": environment.update},
        "/api/list_environment_variables": {"GET": environment.list},
        "/api/stream_function_logs": {"GET": logs.function_logs},
        "/api/stream_udf_execution": {"GET": logs.executions},
        "/api/app_metrics/stream_function_logs": {"GET": logs.function_logs},
    }


def transfer_routes(transfers: Transfers, authenticator: Authenticator) -> dict[str, dict[str, Handler]]:
    routes = TransferRoutes(transfers, authenticator)
    return {
        "/api/export/request/zip": {"POST": routes.request_zip},
        "/api/export/request/table": {"POST": routes.request_table},
        "/api/export/zip/": {"GET": routes.fetch},
        "/api/import/start_upload": {"POST": routes.start_upload},
        "/api/import/upload_part": {"POST": routes.upload_part},
        "/api/import/finish_upload": {"POST": routes.finish_upload},
        "/api/perform_import": {"POST": routes.perform},
        "/api/cancel_import": {"POST": routes.cancel},
    }


def deploy_routes(
    engine: Engine, authenticator: Authenticator, versions: Versions | None
) -> dict[str, dict[str, Handler]]:
    routes = DeployRoutes(versions, SystemCalls(engine), authenticator)
    return {
        "/api/joelclaw/deploy": {"POST": routes.deploy},
        "/api/joelclaw/rollback": {"POST": routes.roll_back},
        "/api/joelclaw/deployments": {"GET": routes.list},
    }


def tool_routes(engine: Engine, authenticator: Authenticator, origins: Origins) -> dict[str, dict[str, Handler]]:
    """What the official command line and dashboard ask beside calls."""
    administration = AdministrationRoutes(authenticator, api_origin=origins.api, site_origin=origins.site)
    pushes = PushRoutes(lambda: engine.manifest, authenticator)
    return {
        "/api/check_admin_key": {"GET": administration.check_key},
        "/api/v1/get_canonical_urls": {"GET": administration.canonical_urls},
        "/api/run_test_function": {"POST": administration.run_inline},
        "/api/get_config_hashes": {"POST": pushes.config_hashes},
        "/api/deploy2/evaluate_push": {"POST": pushes.evaluate},
        "/api/deploy2/start_push": {"POST": pushes.start},
        "/api/deploy2/wait_for_schema": {"POST": pushes.wait_for_schema},
        "/api/deploy2/finish_push": {"POST": pushes.finish},
        "/api/deploy2/report_push_completed": {"POST": pushes.completed},
    }
