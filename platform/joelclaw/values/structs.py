"""
Structs as objects: the one fact about msgspec's structs that encoders by value need.
"""

from collections.abc import Iterator

import msgspec


def fields_of(struct: msgspec.Struct) -> Iterator[tuple[str, object]]:
    """The fields of a struct under the names it has on the wire, its tag first; unset ones included."""
    config = struct.__struct_config__
    if config.tag_field is not None:
        yield config.tag_field, config.tag
    for name, python_name in zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True):
        yield name, getattr(struct, python_name)
