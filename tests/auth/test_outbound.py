"""`joelclaw.auth.outbound`: what is asked of others, and what is never followed."""

import asyncio
from collections.abc import Iterator

import pytest

from joelclaw.auth.outbound import Outbound, Reply, is_public, place_of
from joelclaw.errors import ProviderFailed
from tests.auth.fake_github import FakeGithub, fake_github
from tests.auth.fake_oidc import FakeOidc, fake_oidc


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGithub]:
    with fake_github() as serving:
        yield serving


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeOidc]:
    with fake_oidc() as serving:
        yield serving


@pytest.fixture(autouse=True)
def as_at_the_start(github: FakeGithub, provider: FakeOidc) -> None:
    github.reset()
    provider.reset()


def ask(url: str, *, private: bool = True, development: bool = True, total_s: float = 60.0) -> Reply:
    async def run() -> Reply:
        outbound = Outbound(development=development, total_s=total_s)
        try:
            return await outbound.get(url, private=private)
        finally:
            await outbound.close()

    return asyncio.run(run())


def post(url: str, *, total_s: float = 60.0) -> Reply:
    async def run() -> Reply:
        outbound = Outbound(development=True, total_s=total_s)
        try:
            return await outbound.post_form(url, "a=b", {}, private=True)
        finally:
            await outbound.close()

    return asyncio.run(run())


def test_an_answer_comes_whole_with_its_status(provider: FakeOidc) -> None:
    """Discovery is asked for with a User-Agent, and read as a JSON object."""
    reply = ask(f"{provider.issuer}/.well-known/openid-configuration")

    assert reply.status == 200
    assert reply.fields()["issuer"] == provider.issuer
    assert provider.journal.entries[0].headers["user-agent"] == "joelclaw"
    assert "cookie" not in provider.journal.entries[0].headers


def test_hanging_up_leaves_no_connection(provider: FakeOidc) -> None:
    """And who is asked again afterwards, is connected to again."""

    async def run() -> None:
        outbound = Outbound(development=True)
        url = f"{provider.issuer}/.well-known/openid-configuration"
        for _ in range(2):
            assert (await outbound.get(url, private=True)).status == 200
            assert [len(pool.connections) for pool in outbound._pools.values()] == [1]  # noqa: SLF001
            await outbound.close()
            assert not outbound._pools  # noqa: SLF001

    asyncio.run(run())


def test_a_redirect_is_an_answer_and_is_not_followed(provider: FakeOidc) -> None:
    """O19: a provider that redirects, inwards perhaps, is not followed: where it points nobody asks."""
    provider.switch(discovery="redirect")

    reply = ask(f"{provider.issuer}/.well-known/openid-configuration")

    assert reply.status == 302
    with pytest.raises(ProviderFailed, match="answered with status 302"):
        reply.fields()
    assert provider.journal.at("/elsewhere") == []


def test_a_private_address_is_not_connected_to(provider: FakeOidc) -> None:
    """O19: loopback, by number or by name, is refused before a byte is sent, unless the entry allows it."""
    port = provider.issuer.rpartition(":")[2]

    for url in (f"{provider.issuer}/jwks", f"http://localhost:{port}/jwks", f"http://[::ffff:127.0.0.1]:{port}/jwks"):
        with pytest.raises(ProviderFailed, match=r"leads into a private network; .* private_network = true"):
            ask(url, private=False)

    assert provider.journal.entries == []


def test_plain_http_is_for_development(provider: FakeOidc) -> None:
    """O19: outside development nothing is asked over http, whatever the entry allows."""
    with pytest.raises(ProviderFailed, match="is not https"):
        ask(f"{provider.issuer}/jwks", development=False)

    assert provider.journal.entries == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x/", "//x/y", "https://user:pw@example.com/"])
def test_only_web_servers_are_asked(url: str) -> None:
    """O19: an endpoint that is no address of a web server, or has credentials in it, is refused."""
    with pytest.raises(ProviderFailed, match="is no address of a web server"):
        ask(url)


def test_an_answer_that_is_too_large_is_dropped(github: FakeGithub) -> None:
    """O14: more than a mebibyte is refused while it comes."""
    github.switch(token="huge")

    with pytest.raises(ProviderFailed, match="answers with more than 1,048,576 bytes"):
        post(f"{github.base_url}/login/oauth/access_token")


def test_an_answer_that_does_not_come_is_not_waited_for(github: FakeGithub) -> None:
    """O14: the limit holds for everything together."""
    github.switch(token="slow")

    with pytest.raises(ProviderFailed, match=r"did not answer within 0\.2 s"):
        post(f"{github.base_url}/login/oauth/access_token", total_s=0.2)


def test_an_error_says_no_secret(github: FakeGithub) -> None:
    """H6: what failed is named by scheme, host and path alone."""
    with pytest.raises(ProviderFailed) as caught:
        ask(f"{github.base_url}/nowhere?code=s3cret").fields()

    assert "s3cret" not in str(caught.value)
    assert place_of("https://u:s3cret@example.com/a?code=s3cret#s3cret") == "https://example.com/a"


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000, b'{"a":"\\ud800"}'])
def test_what_is_no_json_is_the_providers_failure(body: bytes) -> None:
    """O14: whatever comes in place of JSON, however deep, is told with status and content type."""
    with pytest.raises(ProviderFailed, match=r"^https://p/x answered 200 with what is no JSON \('text/html'\)$"):
        Reply(200, {"content-type": "text/html"}, body, "https://p/x").json()


def test_what_cannot_be_reached_is_told() -> None:
    """A port where nobody listens is a failure of the provider."""
    with pytest.raises(ProviderFailed, match="cannot be reached"):
        ask("http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("140.82.121.4", True),
        ("2606:50c0:8000::153", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:140.82.121.4", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::8c52:7904", True),
    ],
)
def test_addresses_that_stand_for_private_ones_are_private(address: str, public: bool) -> None:
    """O19: mapped, translated and tunnelled addresses are judged by where they lead."""
    assert is_public(address) is public
