"""
Function paths: many spellings at the door, one inside.

Clients name one function in several ways: `messages:list`, `messages.js:list` (the Python
client, after it has reconnected), `messages` for `messages:default`. Everything behind the
door (lookup, cache, subscriptions) uses the canonical form, `folder/module:name`.
"""

from joelclaw.errors import BadPath

DEFAULT_EXPORT = "default"

_EXTENSIONS = (".js", ".ts", ".py", ".mjs", ".cjs", ".jsx", ".tsx")


def normalise(path: str) -> str:
    """
    The canonical form of a function path; of a canonical path, itself.

    Raises:
        BadPath: A part is empty, or the module has a dot other than before an extension.
    """
    module, colon, name = path.rpartition(":")
    if not colon:
        module, name = path, DEFAULT_EXPORT
    if "." in module:
        module = _without_extension(path, module)
    if not name:
        raise BadPath(path, "nothing stands after the colon")
    if not module or module[0] == "/" or module[-1] == "/" or "//" in module:
        raise BadPath(path, "a part of the module is empty")
    return f"{module}:{name}"


def _without_extension(path: str, module: str) -> str:
    for extension in _EXTENSIONS:
        if module.endswith(extension):
            module = module[: -len(extension)]
            break
    # What is left has none, so that a path cannot change by being normalised again.
    if "." in module:
        raise BadPath(path, "a module has no dots in its name")
    return module
