"""The contract between wrappers and this package: which names exist and what they promise.

A wrapper is made at one time and runs on what is installed at another. It says first of all for which
contract it was made. The number grows when wrappers begin to need what older versions of this package
lack; `OLDEST` grows when wrappers of long ago are no longer served. Neither follows the version.
"""

__all__ = ["CONTRACT", "OLDEST", "require_contract"]

# The generator reads these two lines without importing the package.
CONTRACT = 1
OLDEST = 1


def require_contract(number: int, wrapper: str) -> None:
    """Refuse to run a wrapper that was generated for another contract.

    Wrappers call it before they import anything else of this package, so that the error gives the reason,
    and not
    a name that is missing.

    Arguments:
        number: the contract that the wrapper was made for.
        wrapper: the module's name, for the message.

    Raises:
        ImportError: this package does not keep that contract.
    """
    if not OLDEST <= number <= CONTRACT:
        raise ImportError(refusal(number, wrapper), name=wrapper)


def refusal(number: int, wrapper: str) -> str:
    """Return the message that says which side is too old, and both ways to fix that."""
    from connpool_runtime import __version__

    kept = f"contract {CONTRACT}" if OLDEST == CONTRACT else f"contracts {OLDEST} to {CONTRACT}"
    age, other = ("a newer", "an older") if number > CONTRACT else ("an older", "a newer")
    return (
        f"{wrapper} was made for contract {number} of connpool-runtime, but connpool-runtime "
        f"{__version__} supports {kept}: install {age} connpool-runtime, or make the wrapper again with "
        f"{other} connpool-gen"
    )
