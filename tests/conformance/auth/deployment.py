"""A deployment that signs people in, and what tests ask of it beside its clients."""

import base64
import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.auth.fake_github import FakeGithub
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import ADMIN_KEY, Deployment, copy_app
from tests.ports import free_port

APP = Path(__file__).parent / "app"


class SignInDeployment(Deployment):
    """
    The test app with a mail server, in development also with GitHub.

    Elsewhere that would have to be on https.
    """

    def __init__(
        self,
        project: Path,
        github: FakeGithub,
        mail_url: str,
        origins: list[str],
        *,
        development: bool = False,
        **auth: str,
    ) -> None:
        copy_app(project, APP)
        self.site_port = free_port()
        self.site_url = f"http://127.0.0.1:{self.site_port}"
        file = project / "joelclaw.toml"
        text = file.read_text()
        for section, settings in {
            "[server]": {"site_port": self.site_port, "allowed_origins": origins},
            "[auth]": auth,
        }.items():
            lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
            text = text.replace(f"{section}\n", f"{section}\n{lines}")
        if development:
            text = text.replace("providers = [", 'providers = ["github", ') + _github_table(github)
        file.write_text(f'{text}\n[auth.mail]\nurl = "{mail_url}"\nfrom = "Sign-in <no-reply@example.com>"\n')
        super().__init__(project, development=development)

    def end_session(self, session: str) -> None:
        """End a login session, as an administrator does."""
        assert self.ask("mutation", "_system/auth/sessions:end", {"session": session}, f"Convex {ADMIN_KEY}") is True

    def sessions(self) -> list[dict[str, Any]]:
        """All login sessions, as an administrator sees them."""
        listed: list[dict[str, Any]] = self.ask("query", "_system/auth/sessions:list", {}, f"Convex {ADMIN_KEY}")
        return listed

    def runs_of(self, path: str) -> int:
        """How often a function has been called, as the server's log has it."""
        address = f"{self.url}/api/stream_udf_execution?cursor=0"
        request = urllib.request.Request(address, headers={"Authorization": f"Convex {ADMIN_KEY}"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            entries = json.load(response)["entries"]
        return sum(entry["identifier"] == path for entry in entries)

    def sign_in(self, *, bearer: str | None = None, **args: Any) -> Any:
        """Call `auth:signIn`, as a client without a socket; its value."""
        return self.ask("action", "auth:signIn", args, None if bearer is None else f"Bearer {bearer}")

    def ask(self, kind: str, path: str, args: dict[str, Any], authorization: str | None = None) -> Any:
        """
        Call a function over HTTP; its value.

        Raises:
            Refusal: It answers with an error.
        """
        body = json.dumps({"path": path, "args": args, "format": "convex_encoded_json"}).encode()
        headers = {"Content-Type": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        request = urllib.request.Request(f"{self.url}/api/{kind}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                answer = json.load(response)
        except HTTPError as error:
            raise Refusal(error.code, error.read().decode()) from None
        if answer["status"] != "success":
            raise Refusal(200, answer["errorMessage"], answer.get("errorData"))
        return answer["value"]


def _github_table(github: FakeGithub) -> str:
    return f"""
[auth.sign_in.github]
client_id = "{github.client_id}"
client_secret = "{github.client_secret}"
base_url = "{github.base_url}"
private_network = true
"""


class Refusal(Exception):
    """A client was answered with an error."""

    def __init__(self, status: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.data = data


class Site:
    """Where a built page is served: an origin of its own, whose page talks to a deployment."""

    def __init__(self, folder: Path, origin: str) -> None:
        self._folder = folder
        self.origin = origin

    def point_to(self, url: str) -> None:
        """Have pages that are opened from now on talk to this address."""
        (self._folder / "deployment.js").write_text(f"window.deployment = {json.dumps(url)};\n")


def copy_page(built: Path, folder: Path) -> Path:
    """The files of a site: its page, at two addresses."""
    shutil.copytree(built, folder)
    shutil.copy(folder / "index.html", folder / "after.html")
    return folder


def claims_of(token: str) -> dict[str, Any]:
    """What stands in a token. Nothing is verified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
