"""Runs the switch's service, and makes the keys and tokens that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roadworthy.errors import UsageError
from roadworthy.workspace import Workspace

KEY = Path(".roadworthy") / "keys" / "switch.pem"
LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Address:
    """Where the service listens.

    Attributes
    ----------
    host : str
    port : int
    certificate, private_key : pathlib.Path, optional
        PEM files; with both, the service speaks TLS itself.
    plain : bool
        Listen beyond this machine without TLS, because a proxy in front of it ends the TLS.
    """

    host: str = "127.0.0.1"
    port: int = 8787
    certificate: Path | None = None
    private_key: Path | None = None
    plain: bool = False

    @property
    def url(self) -> str:
        """The address as clients write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


def make_key(workspace: Workspace, path: Path | None) -> tuple[Path, str]:
    """Make the service's key; return its path, and the public half that guards pin."""
    from roadworthy.switch.snapshot import Signer

    chosen = path or workspace.root / KEY
    return chosen, Signer.make(chosen).public


def make_token() -> tuple[str, str]:
    """Return a new token, which is shown once, and the digest for ``people.yaml``."""
    from roadworthy.switch.service.principals import new_token

    return new_token()


def serve(
    workspace: Workspace, address: Address, *, key: Path | None = None, most: int = 20, origins: tuple[str, ...] = ()
) -> None:
    """Run the service until it is ended.

    Raises
    ------
    UsageError
        If there is no key, or it would listen beyond this machine without TLS.
    """
    import uvicorn

    from roadworthy.switch.service import Options, create
    from roadworthy.switch.snapshot import Signer

    if (address.certificate is None) != (address.private_key is None):
        raise UsageError("TLS needs a certificate and its private key.", "Name both, --tls-certificate and --tls-key.")
    if address.host not in LOCAL and address.certificate is None and not address.plain:
        said = f"The service would listen on {address.host} without TLS, and tokens would be read on the way."
        raise UsageError(said, "Name --tls-certificate and --tls-key, or say --behind-proxy if a proxy ends the TLS.")
    signer = Signer.load(key or workspace.root / KEY)
    app = create(workspace, signer, Options(most=most, origins=origins))
    print(f"The switch of '{workspace.settings.name}' listens on {address.url}; guards pin {signer.public}", flush=True)
    uvicorn.run(
        app, host=address.host, port=address.port, log_level="warning", access_log=False, server_header=False,
        ssl_certfile=str(address.certificate) if address.certificate else None,
        ssl_keyfile=str(address.private_key) if address.private_key else None,
        timeout_graceful_shutdown=2,
    )
