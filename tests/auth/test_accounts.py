"""Accounts: whose they are, and what the app has to say about it."""

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joelclaw.errors import AppError, AppRefused, Misuse
from joelclaw.functions.calls import Call
from joelclaw.functions.contexts import MutationCtx
from joelclaw.functions.run import Run
from joelclaw.functions.sign_in import SignIn
from joelclaw.system.auth.accounts import Profile, resolve
from tests.functions.deployment import Deployment, deploy

ISSUER = "https://site.test"
SCHEMA = """
    from joelclaw import Table, index

    class User(Table):
        __table__ = "users"
        name: str
        email: str | None = None
        image: str | None = None
        github_id: int | None = None
        token_identifier: str
        role: str = "reader"
        by_github = index("github_id")
"""
RESOLVE = """
    from typing import Any
    from joelclaw import MutationCtx, mutation
    from joelclaw.system.auth.accounts import Profile

    @mutation
    def nothing(ctx: MutationCtx) -> None: ...
"""

Make = Callable[..., "Town"]


class Town:
    """A deployment, and sign-in methods that say what a test has them say."""

    def __init__(self, app: Deployment) -> None:
        self.app = app
        self._numbers = itertools.count()

    def come(self, provider: str, account_id: str, *, initiating: str | None = None, **profile: Any) -> str:
        """Somebody signs in; the id of the user they are."""
        path = "_system/auth/sessions:signOut"
        profile.setdefault("kind", "oauth")
        with self.app.store.write() as txn:
            run = Run(self.app.app, txn, txn, Call(path=path, args=b"{}"), self.app.hooks)
            account = resolve(
                MutationCtx(run, path),
                Profile(provider=provider, account_id=account_id, **profile),
                initiating_user=initiating,
            )
            txn.commit(b"", self.app.store.next_timestamp(self.app.hooks.time))
        return account.user

    def rows(self, name: str) -> list[Any]:
        """All documents of a table, oldest first."""
        [table] = [table for table in self.app.app.by_number.values() if table.name == name]
        with self.app.store.read() as snapshot:
            rows = [json.loads(raw) for _, raw in snapshot.scan(table.layout, table.layout.by_id, b"", None)]
        return sorted(rows, key=lambda row: row["_creationTime"])

    def users(self) -> list[Any]:
        return self.rows("users")


@pytest.fixture
def town(tmp_path: Path) -> Any:
    app = deploy(tmp_path, {"schema.py": SCHEMA, "a.py": RESOLVE}, sign_in=SignIn(issuer=ISSUER, fills=("github_id",)))
    yield Town(app)
    app.close()


VERIFIED: dict[str, Any] = {"email": "Ann@Example.com", "email_verified": True, "trusted": True}
CLAIMED: dict[str, Any] = {"email": "ann@example.com", "email_verified": False, "kind": "credentials"}


class TestLinking:
    def test_an_account_stays_its_users(self, town: Town) -> None:
        """Who comes back is who they were, whatever their profile says by then; other accounts are other users."""
        ann = town.come("github", "1", name="Ann", email="a@x.com")

        assert town.come("github", "1", name="Anna", email="b@x.com") == ann
        assert town.come("github", "2", name="Ann", email="a@x.com") != ann
        assert town.come("google", "1", name="Ann", email="a@x.com") != ann

    def test_a_verified_address_links_accounts_in_any_case(self, town: Town) -> None:
        """Two methods that are trusted and have verified one address know one user; spelling does not count."""
        ann = town.come("github", "1", **VERIFIED)

        assert town.come("google", "7", **{**VERIFIED, "email": " ann@EXAMPLE.com"}) == ann

    def test_who_registers_first_takes_nothing_over(self, town: Town) -> None:
        """P12: an account with the victim's address that nobody has verified is another user before and after."""
        attacker = town.come("password", "ann@example.com", **CLAIMED)

        ann = town.come("github", "1", **VERIFIED)

        assert ann != attacker
        assert town.come("password", "ann@example.com", **CLAIMED) == attacker

    @pytest.mark.parametrize(
        "claimed",
        [
            {"email": "ann@example.com", "email_verified": False, "trusted": True},
            {"email": "ann@example.com", "email_verified": True, "trusted": False},
            {"email": None, "email_verified": True, "trusted": True},
        ],
    )
    def test_an_address_that_nobody_has_verified_links_nothing(self, town: Town, claimed: dict[str, Any]) -> None:
        """P13: whoever comes first or second, an unverified address, or the word of who is not trusted, links none."""
        ann = town.come("github", "1", **VERIFIED)
        eve = town.come("idp", "9", **claimed)

        assert eve != ann
        assert town.come("google", "7", **VERIFIED) == ann

    def test_a_stranger_changes_nothing_of_a_user(self, town: Town) -> None:
        """P14, P15: what an unverified sign-in says is in its own document; of extra claims nothing is in any."""
        town.come("github", "1", name="Ann", image="ann.png", **VERIFIED)
        [before] = town.users()

        town.come("password", "ann@example.com", name="Eve", claims={"role": "owner", "password": "x"}, **CLAIMED)

        after, eve = town.users()
        assert after == before
        assert (eve["name"], eve["role"], "password" in eve) == ("Eve", "reader", False)

    def test_linking_fills_what_is_empty_and_nothing_else(self, town: Town) -> None:
        """A second account adds what the user's document lacks; what stands in it is the user's own word."""
        town.come("google", "7", name="Ann", **VERIFIED)
        town.come("github", "12", name="Other", image="ann.png", **VERIFIED)

        [ann] = town.users()
        assert (ann["name"], ann["image"], ann["githubId"]) == ("Ann", "ann.png", 12)

    def test_an_address_of_two_users_links_neither(self, town: Town) -> None:
        """When two users have verified one address, a third account of it is somebody new."""
        first = town.come("github", "1", **VERIFIED)
        second = town.come("google", "7", email="other@example.com", email_verified=True, trusted=True)
        assert town.come("google", "7", **VERIFIED) == second

        third = town.come("gitlab", "3", **VERIFIED)

        assert len({first, second, third}) == 3

    def test_accounts_are_never_shared_whatever_comes(self, town: Town) -> None:
        """P12, P13: at any order of sign-ins, two accounts share a user only through a verified, trusted address."""
        seed = random.randrange(2**32)
        print("seed", seed)
        chance = random.Random(seed)
        known: dict[tuple[str, str], tuple[str, set[str]]] = {}
        for _ in range(60):
            provider, account = chance.choice(["github", "google", "password"]), str(chance.randrange(6))
            address = chance.choice(["a@x.com", "A@x.com", "b@x.com", None])
            verified, trusted = chance.random() < 0.5, chance.random() < 0.5
            user = town.come(provider, account, email=address, email_verified=verified, trusted=trusted)
            before = known.get((provider, account))
            assert before is None or before[0] == user
            proven = before[1] if before else set()
            if address and verified and trusted:
                proven.add(address.lower())
            known[provider, account] = user, proven
        for (one, (user, proven)), (other, (their_user, their_proven)) in itertools.combinations(known.items(), 2):
            if user == their_user:
                assert all((proven, their_proven)), (one, other)


class TestArrival:
    def test_a_document_is_made_of_what_the_table_has(self, town: Town) -> None:
        """Known fields are filled, in their types; a name is there for everybody; the rest has its default."""
        ann = town.come("github", "12", name="Ann", image="ann.png", email="ann@example.com")
        town.come("anonymous", "x", kind="anonymous")

        first, second = town.users()
        assert (first["name"], first["githubId"], first["image"], first["role"]) == ("Ann", 12, "ann.png", "reader")
        assert first["tokenIdentifier"] == f"{ISSUER}|{ann}"
        assert second["name"] == "Anonymous"

    def test_a_user_from_before_is_recognized(self, tmp_path: Path) -> None:
        """A document with the account's id under a unique index is whose it says, and no second one is made."""
        schema = SCHEMA.replace('index("github_id")', 'index("github_id", unique=True)')
        functions = (
            RESOLVE
            + """
    from schema import User

    @mutation
    def add(ctx: MutationCtx, github_id: int) -> str:
        return ctx.db.insert(User(name="Old", github_id=github_id, token_identifier="x"))
"""
        )
        app = deploy(tmp_path, {"schema.py": schema, "a.py": functions}, sign_in=SignIn(issuer=ISSUER))
        town = Town(app)
        old = app.mutate("a:add", githubId=12)

        assert town.come("github", "12", name="Ann") == old
        assert len(town.users()) == 1
        app.close()

    HOOK = """
    from typing import Any
    from joelclaw import AppError, Id, MutationCtx, mutation
    from schema import User

    @mutation
    def arrived(
        ctx: MutationCtx, provider: str, account_id: str, name: str | None, claims: dict[str, Any],
        initiating_user: Id[User] | None = None,
    ) -> Id[User]:
        if claims.get("banned"):
            raise AppError({"code": "BANNED"})
        if initiating_user is not None:
            return initiating_user
        return ctx.db.insert(User(name=f"{name} of {provider} {account_id}", token_identifier=account_id))
"""

    @pytest.fixture
    def hooked(self, tmp_path: Path) -> Any:
        sign_in = SignIn(issuer=ISSUER, hook="a.arrived")
        app = deploy(tmp_path, {"schema.py": SCHEMA, "a.py": self.HOOK}, sign_in=sign_in)
        yield Town(app)
        app.close()

    def test_the_apps_own_mutation_makes_the_user_once(self, hooked: Town) -> None:
        """It is told what it asks for, at the first sign-in and at no later one."""
        ann = hooked.come("github", "1", name="Ann")

        assert hooked.come("github", "1", name="Anna") == ann
        assert [user["name"] for user in hooked.users()] == ["Ann of github 1"]

    def test_the_apps_own_mutation_may_link(self, hooked: Town) -> None:
        """S2, O20: only it knows what to do with who was signed in, and only while they still are."""
        ann = hooked.come("anonymous", "x", kind="anonymous", name="Ann")

        assert hooked.come("github", "1", initiating=ann) == ann
        assert hooked.come("google", "1") != ann

    def test_what_it_refuses_leaves_nothing(self, hooked: Town) -> None:
        """An error of the app's ends the sign-in: no user, no account, and the data is the client's to read."""
        with pytest.raises(AppError) as refused:
            hooked.come("github", "1", claims={"banned": True})

        assert refused.value.data == {"code": "BANNED"}
        assert hooked.users() == []
        assert hooked.rows("_auth_accounts") == []


class TestFitting:
    """What is said of somebody, and a table that takes less."""

    @staticmethod
    def town(folder: Path, **fields: str) -> Town:
        """A town whose users have these fields."""
        declared = "".join(f"        {name}: {hint}\n" for name, hint in fields.items())
        schema = f"""
    from typing import Annotated, Literal
    from joelclaw import Meta, Table

    class User(Table):
        __table__ = "users"
{declared}"""
        return Town(deploy(folder, {"schema.py": schema, "a.py": RESOLVE}, sign_in=SignIn(issuer=ISSUER)))

    @pytest.mark.parametrize(
        ("hint", "name", "kept"),
        [
            ("Annotated[str, Meta(max_length=8)]", "Ann of Green Gables", "Ann of G"),
            ("Annotated[str, Meta(max_length=7)]", "Ann of Green Gables", "Ann of"),
            ("Annotated[str, Meta(max_length=8)] | None = None", "Ann of Green Gables", "Ann of G"),
            ("Annotated[str, Meta(min_length=5)]", "Ann", "Anonymous"),
            ("Annotated[str, Meta(min_length=5)] | None = None", "Ann", None),
            ("Annotated[str, Meta(max_length=4)]", None, "Anon"),
            ('Annotated[str, Meta(pattern="^[a-z]+$")] = "nobody"', "Ann", "nobody"),
            ('Literal["somebody"] = "somebody"', "Ann", "somebody"),
        ],
    )
    def test_a_name_is_made_to_fit(self, tmp_path: Path, hint: str, name: str | None, kept: str | None) -> None:
        """Cut if it is too long; left out if the field may be without; and nobody's, where it may not."""
        town = self.town(tmp_path, name=hint)

        town.come("github", "1", name=name)

        assert [user["name"] for user in town.users()] == [kept]
        town.app.close()

    def test_an_address_is_whole_or_left_out(self, tmp_path: Path) -> None:
        """Half an address, or half of a picture's, is somebody else's; also where a user is only completed."""
        town = self.town(
            tmp_path,
            email="Annotated[str, Meta(max_length=8)] | None = None",
            image="Annotated[str, Meta(max_length=8)] | None = None",
        )
        facts: dict[str, Any] = {"image": "https://example.com/ann.png", **VERIFIED}

        ann = town.come("github", "1", **facts)
        assert town.come("google", "1", **facts) == ann

        [user] = town.users()
        assert (user["email"], user["image"]) == (None, None)
        town.app.close()

    def test_what_cannot_be_made_to_fit_names_the_field(self, tmp_path: Path) -> None:
        """A clear error, and nothing is left of it."""
        town = self.town(tmp_path, name='Annotated[str, Meta(pattern="^[0-9]+$")]')

        with pytest.raises(Misuse, match=r"fits User\.name; let the field take more, give it a default, or name a"):
            town.come("github", "1", name="Ann")

        assert town.users() == []
        assert town.rows("_auth_accounts") == []
        town.app.close()


@pytest.mark.parametrize(
    ("schema", "functions", "sign_in", "sentence"),
    [
        (
            "from joelclaw import Table\nclass User(Table):\n    __table__ = 'users'\n    email: str\n",
            "",
            SignIn(issuer=ISSUER),
            "schema.py:2: User.email: is required, and sign-in does not know it of everybody",
        ),
        ("", "", SignIn(issuer=ISSUER, hook="a.arived"), "a.arived: is no function of the app"),
        (
            "from joelclaw import Table\nclass User(Table):\n    __table__ = 'users'\n",
            "@query\ndef arrived(ctx: QueryCtx) -> str: return ''\n",
            SignIn(issuer=ISSUER, hook="a.arrived"),
            "a.py:4: a.arrived: is a query, and [auth] on_first_sign_in names a mutation",
        ),
        (
            "from joelclaw import Table\nclass User(Table):\n    __table__ = 'users'\n",
            "@mutation(allow=anyone)\ndef arrived(ctx: MutationCtx) -> str: return ''\n",
            SignIn(issuer=ISSUER, hook="a.arrived"),
            "a.arrived: can be called by clients",
        ),
        (
            "from joelclaw import Table\nclass User(Table):\n    __table__ = 'users'\n",
            "@mutation\ndef arrived(ctx: MutationCtx, nmae: str) -> str: return ''\n",
            SignIn(issuer=ISSUER, hook="a.arrived"),
            "asks for 'nmae', which sign-in does not know",
        ),
        (
            "",
            "@mutation\ndef arrived(ctx: MutationCtx) -> str: return ''\n",
            SignIn(issuer=ISSUER, hook="a.arrived", user_table="users"),
            "users: is no table of the app",
        ),
        (
            "",
            "@action(allow=anyone, name='signIn')\nasync def enter(ctx: ActionCtx) -> None: ...\n",
            SignIn(issuer=ISSUER),
            "a.py:4: auth.enter: is 'auth:signIn' on the wire, which is the platform's own",
        ),
    ],
)
def test_what_the_first_visitor_would_find_out_is_refused_at_the_deploy(
    tmp_path: Path, schema: str, functions: str, sign_in: SignIn, sentence: str
) -> None:
    """A user that cannot be made, a mutation that is none or open to all, a name of ours: told with file and line."""
    file = "auth.py" if "signIn" in functions else "a.py"
    with pytest.raises(AppRefused) as refused:
        deploy(tmp_path, {"schema.py": schema, file: f"from joelclaw import *\n\n{functions}"}, sign_in=sign_in)

    assert sentence.replace("a.py", file) in str(refused.value)
