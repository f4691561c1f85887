"""Hashes keys to the same numbers in every process and on every machine."""

from __future__ import annotations

from hashlib import blake2b
from typing import cast

__all__ = ["bytes_of", "point_of", "tagged", "text_of"]


def point_of(key: object) -> int:
    """Return the position of a key on the hash ring: the same in every process and on every machine.

    Raises:
        TypeError: the key is of a type that has no text of its own.
    """
    return int.from_bytes(blake2b(text_of(key), digest_size=8).digest(), "little")


def text_of(key: object) -> bytes:
    """Return the part of a key that is hashed; keys with equal parts belong together.

    Raises:
        TypeError: the key is of a type that has no text of its own.
    """
    text = bytes_of(key)
    return text if isinstance(key, tuple) else tagged(text)


def tagged(text: bytes) -> bytes:
    """Return the text inside the first braces of a key (its hash tag), else the whole text, as Redis Cluster does.

    So `{user:1}:name` and `{user:1}:age` meet the same member.
    """
    begin = text.find(b"{") + 1
    end = text.find(b"}", begin)
    return text[begin:end] if 0 < begin < end else text


def bytes_of(key: object) -> bytes:
    """Return a key as bytes. b"a" and "a" are one key, as they are for most servers; so are 1 and "1"."""
    if isinstance(key, str):
        return str.encode(key, errors="surrogatepass")
    if isinstance(key, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", key))
    if isinstance(key, tuple):
        # Each part carries its length, else ("ab", "c") and ("a", "bc") would be one key.
        parts = [bytes_of(part) for part in cast("tuple[object, ...]", key)]
        return b"".join(b"%d:%b" % (len(part), part) for part in parts)
    if not isinstance(key, (int, float)) and type(key).__str__ is object.__str__:
        # The text would contain an address or the order of a set, which differ from process to process.
        raise TypeError(
            f"the key for consistent hashing is {key!r}: it must be text, bytes, a number, a tuple"
            " of these, or something else with a str() of its own"
        )
    return str(key).encode(errors="surrogatepass")
