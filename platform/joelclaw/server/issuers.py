"""
Tokens of other issuers, for a server: what asks for their keys is opened with the first of them.
"""

from typing import TYPE_CHECKING

from joelclaw.auth.tokens import IssuerTokens
from joelclaw.deploy.deployer import Deployer
from joelclaw.engine.engine import Engine

if TYPE_CHECKING:
    from joelclaw.auth.jwks import KeySets


def issuer_tokens(engine: Engine, deployer: Deployer, *, development: bool) -> IssuerTokens:
    """Who tells whose a token is, of the issuers that are declared at that moment."""

    def open_key_sets() -> "KeySets":
        # Who has no issuers need not carry what asking them takes.
        from joelclaw.auth.jwks import KeySets
        from joelclaw.auth.outbound import Outbound

        return KeySets(Outbound(development=development), engine.clock)

    return IssuerTokens(lambda: deployer.issuers, engine.clock, open_key_sets)
