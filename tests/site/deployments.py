"""A real deployment of this repository's own app, which signs people in with a GitHub that is not one."""

import json
import shutil
import urllib.request
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.auth.certificates import Certificate
from tests.auth.fake_github import FakeGithub, Persona, address, person
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import ADMIN_KEY, Deployment
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
OWNER = "joelhooks"


class SiteDeployment(Deployment):
    """
    `joelclaw serve` (in development: `dev`) on a copy of the app.

    `env` is the environment of its process, where secrets come from.
    """

    def __init__(
        self,
        project: Path,
        github: FakeGithub,
        certificate: Certificate,
        origins: Sequence[str],
        *,
        development: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.site_url = f"http://127.0.0.1:{free_port()}"
        copy_own_app(project)
        declare_server(
            project / "joelclaw.toml",
            api_port=free_port(),
            site_port=int(self.site_url.rpartition(":")[2]),
            admin_key=ADMIN_KEY,
            allowed_origins=list(origins),
        )
        with (project / "joelclaw.toml").open("a") as file:
            file.write(f'\n[auth.sign_in.github]\nbase_url = "{github.base_url}"\nprivate_network = true\n')
        secrets = {
            "AUTH_GITHUB_ID": github.client_id,
            "AUTH_GITHUB_SECRET": github.client_secret,
            "SSL_CERT_FILE": str(certificate.public),
        }
        super().__init__(project, development=development, env=secrets | dict(env or {}))

    def ask(self, path: str, /, **args: Any) -> Any:
        """A query, as an administrator, who may call what is internal, too."""
        return self._as_admin("query", path, args)

    def tell(self, path: str, /, **args: Any) -> Any:
        """A mutation, as an administrator."""
        return self._as_admin("mutation", path, args)

    def act(self, path: str, /, **args: Any) -> Any:
        """An action, as an administrator."""
        return self._as_admin("action", path, args)

    def set_variable(self, name: str, value: str) -> None:
        """What functions find in `ctx.env` from now on."""
        self._post("/api/update_environment_variables", {"changes": [{"name": name, "value": value}]})

    def _as_admin(self, kind: str, path: str, args: Mapping[str, Any]) -> Any:
        answer = json.loads(self._post(f"/api/{kind}", {"path": path, "args": args, "format": "convex_encoded_json"}))
        assert answer["status"] == "success", answer
        return answer["value"]

    def _post(self, path: str, body: object) -> bytes:
        headers = {"Content-Type": "application/json", "Authorization": f"Convex {ADMIN_KEY}"}
        request = urllib.request.Request(f"{self.url}{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            answer: bytes = response.read()
        return answer


def copy_own_app(project: Path) -> None:
    """The repository's declaration, tables and functions, as a clone has them."""
    project.mkdir(parents=True, exist_ok=True)
    for name in ("joelclaw.toml", "schema.py"):
        shutil.copy(ROOT / name, project / name)
    shutil.copytree(ROOT / "app_functions", project / "app_functions", ignore=shutil.ignore_patterns("__pycache__"))


def declare_server(file: Path, **settings: Any) -> None:
    """Settings of [server], in place of those that are there."""
    lines = [line for line in file.read_text().splitlines() if line.partition(" ")[0] not in settings]
    place = lines.index("[server]") + 1
    lines[place:place] = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    file.write_text("\n".join([*lines, ""]))


def let_in(github: FakeGithub, login: str, name: str) -> None:
    """Have whoever comes to GitHub next be this person."""
    profile = person(zlib.crc32(login.encode()), login, name=name)
    # A picture from elsewhere would be asked for: these tests need nobody's network.
    profile["avatar_url"] = None
    github.personas[login] = Persona(profile, [address(f"{login}@example.com", primary=True)])
    github.switch(persona=login)
