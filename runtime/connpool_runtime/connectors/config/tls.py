"""The TLS settings of all connectors: TLS that is on verifies certificates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connpool_runtime.connectors.config.errors import InvalidConfig, several
from connpool_runtime.connectors.config.fields import File, Flag, Text
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.connectors.config.secrets import Credential, reveal

if TYPE_CHECKING:
    import ssl

__all__ = ["TLS"]


@dataclass(kw_only=True)
class TLS(Record):
    """The certificates of both sides.

    Arguments:
        ca_file: certificates that the server's must come from; None is what the system trusts.
        cert_file: our own certificate, for servers that ask for one; together with `key_file`.
        key_file: its private key.
        key_password: what the private key is encrypted with.
        server_name: the name in the server's certificate, when it is not the endpoint's host.
        verify: whether the server's certificate is checked. Off is for experiments.

    Raises:
        InvalidConfig: a file is missing or holds something else, or only one half of a pair is given.
    """

    ca_file: File = File()
    cert_file: File = File()
    key_file: File = File()
    key_password: Credential = Credential()
    server_name: Text = Text()
    verify: Flag = Flag(True)

    def __post_init__(self) -> None:
        wrong = list(self._conflicts())
        if wrong:
            raise several(wrong)
        if self.ca_file is not None or self.cert_file is not None:
            self.context()

    def _conflicts(self) -> Iterator[InvalidConfig]:
        if (self.cert_file is None) != (self.key_file is None):
            missing, given = (
                ("key_file", "cert_file") if self.cert_file else ("cert_file", "key_file")
            )
            yield InvalidConfig(missing, "None", f"given together with {given}")
        if self.key_password is not None and self.key_file is None:
            yield InvalidConfig("key_password", "'***'", "given together with key_file")
        if not self.verify and self.ca_file is not None:
            yield InvalidConfig("verify", "False", "true when ca_file is given")

    def context(self) -> ssl.SSLContext:
        """Return an SSL context for clients. With an explicit CA, environment variables about certificates are ignored.

        Raises:
            InvalidConfig: a file holds no certificate, or the key does not belong to it.
        """
        import ssl

        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except ssl.SSLError:
            raise InvalidConfig("ca_file", repr(self.ca_file), "a file of certificates") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file is not None:
            try:
                # Without a password OpenSSL would ask for one at the terminal.
                password = reveal(self.key_password) or ""
                context.load_cert_chain(self.cert_file, self.key_file, password)
            except (ssl.SSLError, OSError):
                allowed = "a certificate that key_file belongs to"
                raise InvalidConfig("cert_file", repr(self.cert_file), allowed) from None
        return context
