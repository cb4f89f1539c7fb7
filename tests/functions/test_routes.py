"""Routes of HTTP actions: what is declared, and every mistake in it, told when the app is loaded."""

from pathlib import Path

import pytest

from joelclaw.errors import AppRefused
from joelclaw.functions.loader import load_app
from joelclaw.functions.manifest import Place, RouteSpec
from tests.functions.deployment import write_app

HEAD = "from joelclaw import *\n"
HANDLER = "async def f(ctx: ActionCtx, request: Request) -> Response: return Response()\n"


def routes(root: Path, text: str) -> list[str]:
    app = load_app(write_app(root, {"web.py": HEAD + text}))
    assert app.handlers.keys() == {route.name for route in app.manifest.routes}
    return [route.name for route in app.manifest.routes]


def told(root: Path, text: str) -> list[str]:
    with pytest.raises(AppRefused) as refused:
        load_app(write_app(root, {"web.py": HEAD + text}))
    return [str(problem) for problem in refused.value.problems]


def test_routes_are_in_the_manifest(tmp_path: Path) -> None:
    """Exact paths, the root among them, and prefixes; one function may have several (HTTP-5)."""
    text = f'@http_action("GET", "/")\n@http_action("POST", prefix="/hooks/")\n{HANDLER}'
    app = load_app(write_app(tmp_path, {"web.py": HEAD + text}))
    place = Place("app_functions/web.py", 4)
    assert app.manifest.routes == (
        RouteSpec(method="GET", path="/", python_path="web.f", place=place),
        RouteSpec(method="POST", path="/hooks/", is_prefix=True, python_path="web.f", place=place),
    )
    assert app.handlers.keys() == {"GET /", "POST /hooks/*"}


def test_the_same_path_serves_several_methods_and_a_prefix(tmp_path: Path) -> None:
    """Method, path and being a prefix make a route; two functions may share two of them."""
    text = "".join(
        f"@http_action({arguments})\n{HANDLER.replace(' f(', f' f{n}(')}"
        for n, arguments in enumerate(['"GET", "/a/"', '"POST", "/a/"', '"GET", prefix="/a/"'])
    )
    assert routes(tmp_path, text) == ["GET /a/", "GET /a/*", "POST /a/"]


def test_helpers_answer_nothing(tmp_path: Path) -> None:
    """In a file whose name begins with `_` nothing has a route, and what is imported is not declared twice."""
    text = f'{HEAD}@http_action("GET", "/a")\n{HANDLER}'
    app = load_app(
        write_app(tmp_path, {"_web.py": text, "web.py": text, "again.py": "from app_functions.web import f\n"})
    )
    assert [route.python_path for route in app.manifest.routes] == ["web.f"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ('"GET"', 'the route has no path; write @http_action("GET", "/path"), or prefix="/path/"'),
        (
            '"GET", "/a", prefix="/a/"',
            "the route has both a path and a prefix; keep one of them; a second decorator makes a second route",
        ),
        ('"GET", "a/b"', "the path 'a/b' does not begin with '/'; write \"/a/b\""),
        ('"GET", ""', "the path '' does not begin with '/'; write \"/\""),
        ('"GET", prefix="a/"', "the prefix 'a/' does not begin with '/'; write \"/a/\""),
        ('"GET", prefix="/a"', "the prefix '/a' does not end with '/'; write \"/a/\", or give it as a path"),
        ('"get", "/a"', "'get' is no method that a route can have; write \"GET\""),
        (
            '"TRACE", "/a"',
            "'TRACE' is no method that a route can have; choose one of GET, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
        ('"HEAD", "/a"', 'HEAD has no routes of its own; write "GET": its route answers HEAD, too, without the body'),
        ('"GET", "/.files/x"', "paths under /.files are the platform's own; choose another one"),
        ('"GET", prefix="/.files/"', "paths under /.files are the platform's own; choose another one"),
        (
            '"GET", "/a?b=1"',
            (
                "the path '/a?b=1' can be no part of a request; "
                "paths are matched as they are sent: percent-encode what is no ASCII, and leave the query out"
            ),
        ),
        ('"GET", 5', 'the path is int; write it as text, like "/path"'),
    ],
)
def test_a_wrong_route_is_told_with_its_line(arguments: str, sentence: str, tmp_path: Path) -> None:
    """Each with what to write instead (HTTP-6, HTTP-7)."""
    assert told(tmp_path, f"@http_action({arguments})\n{HANDLER}") == [f"app_functions/web.py:3: web.f: {sentence}"]


def test_a_route_leads_to_one_function(tmp_path: Path) -> None:
    """A second one is told, and where the first is (HTTP-7)."""
    decorator = '@http_action("GET", prefix="/a/")\n'
    [problem] = told(tmp_path, decorator + HANDLER + decorator + HANDLER.replace(" f(", " g("))
    assert problem == (
        "app_functions/web.py:5: web.g: answers GET /a/*, and so does web.f (app_functions/web.py:3); "
        "a route leads to one function; change one of them"
    )


def test_what_answers_is_an_async_def_of_two_parameters(tmp_path: Path) -> None:
    """A plain function, an action and a function of other parameters are told apart and refused."""
    decorator = '@http_action("GET", "/{}")\n'
    text = (
        decorator.format("a") + "def a(ctx: ActionCtx, request: Request) -> Response: return Response()\n"
        "@http_action('GET', '/b')\n@action\n"
        + HANDLER.replace(" f(", " b(")
        + decorator.format("c")
        + "async def c(request: Request) -> Response: return Response()\n"
    )
    advice = "write `async def`; what needs a transaction is called with ctx.run_query and ctx.run_mutation"
    assert told(tmp_path, text)[:1] == [f"app_functions/web.py:3: web.a: an HTTP action is an `async def`; {advice}"]
    assert told(tmp_path, text)[-1] == (
        "app_functions/web.py:8: web.c: an HTTP action takes two parameters; write (ctx: ActionCtx, request: Request)"
    )
