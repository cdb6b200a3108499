"""Certificates for a PostgreSQL cluster, made with the openssl program.

=================== ==============================================================================
ca.crt              signs the others
other-ca.crt        signs none of them
server.crt, .key    for `localhost` and 127.0.0.1
revoked.crt, .key   the same, and in the revocation list
certified.crt, .key a client whose common name is the user `certified`
encrypted.key       certified.key behind the password `key secret`
ca.crl              the CA's revocation list
=================== ==============================================================================
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KEY_PASSWORD = "key secret"
# Long, because the template that holds them is kept.
DAYS = "3650"
CA_CONFIG = """
[ca]
default_ca = this
[this]
database = index.txt
serial = serial
crlnumber = crlnumber
crl_extensions = crl
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
policy = any
default_days = 3650
default_crl_days = 3650
[any]
commonName = supplied
[crl]
authorityKeyIdentifier = keyid:always
[server]
subjectAltName = DNS:localhost, IP:127.0.0.1
extendedKeyUsage = serverAuth
[client]
extendedKeyUsage = clientAuth
"""


def make_certificates(folder: Path) -> None:
    """Make the files above in a new folder; raises ``subprocess.CalledProcessError``."""

    def openssl(*arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments],
            cwd=folder,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    folder.mkdir()
    (folder / "ca.conf").write_text(CA_CONFIG)
    (folder / "index.txt").touch()
    (folder / "serial").write_text("1000\n")
    (folder / "crlnumber").write_text("01\n")
    for name in ("ca", "other-ca"):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.crt")
        openssl("req", "-x509", *curve, "-days", DAYS, "-subj", f"/CN=test {name}", *files)
    for name, subject, kind in (
        ("server", "localhost", "server"),
        ("revoked", "localhost", "server"),
        ("certified", "certified", "client"),
    ):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("req", "-new", *curve, "-subj", f"/CN={subject}", *files)
        files = ("-in", f"{name}.csr", "-out", f"{name}.crt")
        openssl("ca", "-config", "ca.conf", "-batch", "-notext", "-extensions", kind, *files)
        if name == "revoked":
            openssl("ca", "-config", "ca.conf", "-revoke", "revoked.crt")
        else:
            # The database refuses two certificates of one subject.
            (folder / "index.txt.attr").write_text("unique_subject = no\n")
    openssl("ca", "-config", "ca.conf", "-gencrl", "-out", "ca.crl")
    openssl(
        *("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", "certified.key"),
        *("-out", "encrypted.key", "-passout", f"pass:{KEY_PASSWORD}"),
    )
    for path in folder.iterdir():
        path.chmod(0o600 if path.suffix == ".key" else 0o644)
