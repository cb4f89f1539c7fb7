"""
Sign-in at somebody else's: GitHub, any OpenID provider, any OAuth 2.0 server.

    settings.py    what joelclaw.toml says of a provider
    providers.py   what is particular about each kind: where to ask, what to believe, who it is
    id_tokens.py   OpenID's signed word, verified
    client.py      the protocol's requests, on Authlib
    steps.py       where a browser goes
    method.py      a sign-in method: from the button to the session

A sign-in is a flow (`system/auth/flows.py`) of three steps, each in another place:

    auth:signIn            the client gets an address, and a verifier that it keeps
    /api/auth/signin       the browser is sent to the provider, with state, PKCE and nonce
    /api/auth/callback     it comes back; the profile is asked for, and a code is handed out
    auth:signIn            whoever has code and verifier is signed in

No cookie is involved. What binds the flow to the client is the verifier, which is in no URL.
What binds it to the provider's answer is the state; PKCE's verifier and the nonce are made of it with
the server key, so no row holds them.

Elsewhere: `http/sign_in.py` has the two routes; `auth/outbound.py` asks.
"""
