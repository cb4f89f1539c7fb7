"""Where a sign-in may end."""

import pytest

from joelclaw.auth.destinations import Destinations
from joelclaw.errors import SignInRefused

SITE = "https://app.example.com"
RULE = Destinations([SITE, "https://other.example.com:8443"], ["myapp://auth", "exp://"], development=False)


@pytest.mark.parametrize(
    ("asked", "page", "destination"),
    [
        (None, None, SITE),
        (None, "https://other.example.com:8443", "https://other.example.com:8443"),
        (None, "https://evil.example.com", SITE),
        (None, "null", SITE),
        ("/after?x=1#y", None, f"{SITE}/after?x=1#y"),
        ("?x=1", "https://other.example.com:8443", "https://other.example.com:8443?x=1"),
        (f"{SITE}/a/b", None, f"{SITE}/a/b"),
        (f"{SITE}:443/a", None, f"{SITE}:443/a"),
        ("HTTPS://APP.Example.com/a", None, "HTTPS://APP.Example.com/a"),
        ("myapp://auth", None, "myapp://auth"),
        ("myapp://auth?x=1", None, "myapp://auth?x=1"),
        ("myapp://auth/deep", None, "myapp://auth/deep"),
        ("exp://192.168.1.2:8081/--/after", None, "exp://192.168.1.2:8081/--/after"),
    ],
)
def test_a_sign_in_ends_on_the_list(asked: str | None, page: str | None, destination: str) -> None:
    """Listed origins and addresses are allowed in any spelling; what is relative is of the page, if that is listed."""
    assert RULE(asked, page) == destination


@pytest.mark.parametrize(
    "asked",
    [
        "https://evil.com",
        "https://app.example.com.evil.com",
        "https://app.example.com@evil.com",
        "https://user@app.example.com",
        "https://evil.com#@app.example.com",
        "https://app.example.com:444",
        "http://app.example.com",
        "https://app.example.com.",
        "https://app.example.com:99999",
        "https://[app.example.com",
        "//evil.com",
        "///evil.com",
        "/\\evil.com",
        "/%0d%0aSet-Cookie:x\r\n",
        "\t//evil.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:evil.com",
        "https:/evil.com",
        "https://\u0430pp.example.com",
        "https://xn--pp-7kc.example.com",
        "after",
        "https://" + "a" * 3_000,
    ],
)
def test_a_sign_in_ends_nowhere_else(asked: str) -> None:
    """R1, R2: look-alikes, other schemes and ports, control characters and backslashes are refused."""
    with pytest.raises(SignInRefused) as refused:
        RULE(asked, None)

    assert refused.value.reason_code == "INVALID_REDIRECT"


@pytest.mark.parametrize(
    "asked", ["myapp.evil://auth", "myapp://author", "myapp://evil", "myapp://auth@evil", "myapp:auth", "other://auth"]
)
def test_an_app_is_compared_by_its_parts(asked: str) -> None:
    """R5: a scheme or address that only begins like a listed one is refused."""
    with pytest.raises(SignInRefused):
        RULE(asked, None)


@pytest.mark.parametrize("asked", [3, True, ["/"], {"a": "/"}])
def test_what_is_no_text_is_refused(asked: object) -> None:
    """Parameters are the client's, and may be anything. None is quoted as if it were an address."""
    with pytest.raises(SignInRefused, match=r"^Invalid `redirectTo`: write an address, as text$"):
        RULE(asked, None)


def test_development_takes_any_origin_of_this_machine() -> None:
    """In development every loopback origin is allowed, and none elsewhere; without a list there is a default."""
    rule = Destinations([], development=True)

    assert rule(None, "http://localhost:5173") == "http://localhost:5173"
    assert rule("http://127.0.0.1:8000/x", None) == "http://127.0.0.1:8000/x"
    assert rule("/x", None) == "http://localhost:3000/x"
    with pytest.raises(SignInRefused):
        rule("http://localhost.evil.com", None)


def test_production_without_a_list_says_what_to_do() -> None:
    """Nothing is guessed from a request: the sentence names the setting."""
    with pytest.raises(SignInRefused, match=r"list its origin in server\.allowed_origins"):
        Destinations([], development=False)("/x", "https://evil.com")
