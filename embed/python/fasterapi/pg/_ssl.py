"""How the connection is encrypted: ``sslmode``, the files, and what the server must prove."""

from __future__ import annotations

import dataclasses
import enum
import os
import pathlib
import re
import ssl

from fasterapi.pg._files import home_file
from fasterapi.pg.exceptions import ClientConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fasterapi._core import PgTls

    Lookup = Callable[[str, str | None], str | None]

__all__ = [
    "SSLMode",
    "SSLNegotiation",
    "TlsSettings",
    "in_openssls_words",
    "prepared_tls",
    "resolve_mode",
    "resolve_tls",
]


class SSLMode(enum.IntEnum):
    """libpq's ``sslmode``, from careless to careful."""

    disable = 0
    allow = 1
    prefer = 2
    require = 3
    verify_ca = 4
    verify_full = 5

    @classmethod
    def parse(cls, text: str | SSLMode) -> SSLMode:
        """The mode that ``text`` names; raises ``ClientConfigurationError``."""
        if isinstance(text, cls):
            return text
        try:
            return cls[str(text).replace("-", "_")]
        except KeyError:
            modes = ", ".join(mode.name.replace("_", "-") for mode in cls)
            raise ClientConfigurationError(f"`sslmode` parameter must be one of: {modes}") from None


class SSLNegotiation(enum.StrEnum):
    """Whether TLS is asked for first, or begun at once (PostgreSQL 17 and newer)."""

    postgres = "postgres"
    direct = "direct"


@dataclasses.dataclass(frozen=True)
class TlsSettings:
    """What a TLS handshake needs to know."""

    mode: SSLMode
    root_certificates: str | None = None
    """A PEM file; ``None`` stands for the system's certificates."""
    certificate: str | None = None
    key: str | None = None
    password: str | None = None
    revoked: str | None = None
    revoked_folder: str | None = None
    version_min: str = "TLSv1.2"
    version_max: str | None = None

    def revocation_lists(self) -> list[str]:
        """The files that say which certificates are revoked."""
        files = [self.revoked] if self.revoked else []
        if self.revoked_folder:
            found = pathlib.Path(self.revoked_folder).iterdir()
            files += sorted(str(path) for path in found if path.is_file())
        return files

    def context(self) -> ssl.SSLContext:
        """The same for Python's own TLS, which carries a request to cancel."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.mode is SSLMode.verify_full
        if self.mode < SSLMode.verify_ca:
            context.verify_mode = ssl.CERT_NONE
        if self.root_certificates:
            context.load_verify_locations(cafile=self.root_certificates)
        elif self.mode >= SSLMode.verify_ca:
            context.load_default_certs()
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key, self.password or "")
        for file in self.revocation_lists():
            context.load_verify_locations(cafile=file)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        return context


SSL_ERROR = 1
"""OpenSSL's number for a failure of TLS."""
PREPARED_MAX = 16
"""How many settings are kept as the driver has read them."""

_prepared: dict[tuple[object, ...], PgTls] = {}


def prepared_tls(settings: TlsSettings, *, is_direct: bool) -> PgTls:
    """The settings as the driver takes them, read anew when a file has changed.

    Raises ``ssl.SSLError`` for files that are of no use and for versions that leave nothing,
    ``OSError``.
    """
    from fasterapi._core import PgTls

    revoked = settings.revocation_lists()
    files = [settings.root_certificates, settings.certificate, settings.key, *revoked]
    changed = tuple((file, os.stat(file).st_mtime_ns) for file in files if file)
    place = (settings, is_direct, changed)
    found = _prepared.get(place)
    if found is not None:
        return found
    version_max = settings.version_max or VERSIONS[-1]
    if VERSIONS.index(version_max) < max(
        VERSIONS.index("TLSv1.2"), VERSIONS.index(settings.version_min)
    ):
        raise ssl.SSLError(
            SSL_ERROR,
            f"no protocols available: {settings.version_min} to {version_max}, of which this "
            "driver has TLSv1.2 and TLSv1.3",
        )
    certificate = None
    if settings.certificate:
        password = settings.password.encode() if settings.password else None
        key = settings.key or settings.certificate
        certificate = (_content(settings.certificate), _content(key), password)
    verifies = settings.mode >= SSLMode.verify_ca
    roots: bytes | str | None = "system" if verifies else None
    if settings.root_certificates:
        roots = _content(settings.root_certificates)
    try:
        made = PgTls(
            settings.mode.name.replace("_", "-") if verifies else "require",
            roots=roots,
            certificate=certificate,
            revoked=[_content(file) for file in revoked],
            versions=(settings.version_min, settings.version_max),
            is_direct=is_direct,
        )
    except ValueError as error:
        raise ssl.SSLError(SSL_ERROR, f"TLS cannot be used: {error}") from error
    if len(_prepared) >= PREPARED_MAX:
        _prepared.clear()
    _prepared[place] = made
    return made


def in_openssls_words(error: ssl.SSLError) -> ssl.SSLError:
    """The same failure as Python's own TLS words it, which programs may look for."""
    text = str(error.args[-1]) if error.args else "TLS failed"
    if isinstance(error, ssl.SSLCertVerificationError):
        return ssl.SSLCertVerificationError(SSL_ERROR, f"certificate verify failed: {text}")
    alert = re.search(r"received fatal alert: (\w+)", text)
    if alert is not None:
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", alert[1]).lower()
        text = f"tls alert {words} ({text})"
    return ssl.SSLError(SSL_ERROR, text)


def _content(path: str) -> bytes:
    return pathlib.Path(path).read_bytes()


VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def resolve_mode(
    given: object, lookup: Lookup, *, only_sockets: bool
) -> tuple[SSLMode, SSLNegotiation]:
    """The mode and the kind of negotiation; ``given`` is what the caller passed as ``ssl``."""
    text = lookup("sslmode", "PGSSLMODE")
    if given is True or isinstance(given, ssl.SSLContext):
        mode = SSLMode.verify_full
    elif given is False:
        mode = SSLMode.disable
    elif isinstance(given, (str, SSLMode)):
        mode = SSLMode.parse(given)
    elif given is not None:
        raise ClientConfigurationError(
            f"ssl is expected to be a mode, an ssl.SSLContext or a bool, got {given!r}"
        )
    elif text:
        mode = SSLMode.parse(text)
    elif lookup("sslrootcert", "PGSSLROOTCERT") == "system":
        mode = SSLMode.verify_full
    else:
        mode = SSLMode.prefer
    if only_sockets and given is None and mode <= SSLMode.prefer:
        # The server never encrypts a Unix socket.
        mode = SSLMode.disable
    negotiation = lookup("sslnegotiation", "PGSSLNEGOTIATION") or "postgres"
    try:
        return mode, SSLNegotiation(negotiation)
    except ValueError:
        raise ClientConfigurationError(
            "`sslnegotiation` parameter must be one of: postgres, direct"
        ) from None


def resolve_tls(mode: SSLMode, lookup: Lookup, *, system_only: bool) -> TlsSettings:
    """The files and bounds for ``mode``; ``system_only`` leaves the user's own files out."""
    version_min = _version(lookup("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"))
    version_max = _version(lookup("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"))
    roots: str | None = None
    revoked: str | None = None
    revoked_folder: str | None = None
    if not system_only:
        mode, roots = _roots(mode, lookup("sslrootcert", "PGSSLROOTCERT"))
        if mode >= SSLMode.verify_ca:
            revoked = _file(lookup("sslcrl", "PGSSLCRL"), "root.crl")
            revoked_folder = lookup("sslcrldir", "PGSSLCRLDIR") or None
    certificate: str | None = None
    if lookup("sslcertmode", "PGSSLCERTMODE") != "disable":
        certificate = _file(lookup("sslcert", "PGSSLCERT"), "postgresql.crt")
    key = _file(lookup("sslkey", "PGSSLKEY"), "postgresql.key") if certificate else None
    return TlsSettings(
        mode=mode,
        root_certificates=roots,
        certificate=certificate,
        key=key,
        password=lookup("sslpassword", None),
        revoked=revoked,
        revoked_folder=revoked_folder,
        version_min=version_min or "TLSv1.2",
        version_max=version_max,
    )


def _version(text: str | None) -> str | None:
    if not text:
        return None
    for version in VERSIONS:
        if version.lower() == text.lower():
            return version
    raise ClientConfigurationError(f"No such TLS version: {text}")


def _roots(mode: SSLMode, named: str | None) -> tuple[SSLMode, str | None]:
    """The mode, which a root certificate makes stricter, and the file with the certificates."""
    if named == "system":
        if mode is not SSLMode.verify_full:
            raise ClientConfigurationError(
                f'weak sslmode "{mode.name.replace("_", "-")}" may not be used with '
                'sslrootcert=system (use "verify-full")'
            )
        return mode, None
    if mode < SSLMode.require:
        return mode, None
    if named:
        return max(mode, SSLMode.verify_ca), _existing(named)
    path = home_file(".postgresql", "root.crt")
    if path is not None and _is_file(path):
        return max(mode, SSLMode.verify_ca), str(path)
    if mode is SSLMode.require:
        return mode, None
    shown = path or "~/.postgresql/root.crt"
    raise ClientConfigurationError(
        f'root certificate file "{shown}" does not exist or cannot be accessed',
        hint="Provide the certificate file directly (sslrootcert), use sslrootcert=system, "
        f'or make sure "{shown}" exists and is readable.',
    )


def _file(named: str | None, default: str) -> str | None:
    if named:
        return _existing(named)
    path = home_file(".postgresql", default)
    return str(path) if path is not None and _is_file(path) else None


def _is_file(path: pathlib.Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:
        return False


def _existing(named: str) -> str:
    # A missing file is reported here, with its name, not as a failed handshake.
    path = pathlib.Path(named).expanduser()
    path.stat()
    return str(path)
