# SPDX-License-Identifier: Apache-2.0

"""A certificate authority and a certificate for 127.0.0.1."""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


def write(folder: pathlib.Path) -> None:
    """Write ca-cert.pem, server-cert.pem and server-key.pem.

    The names are those that QEMU expects.
    """
    authority = _key()
    issuer = _name('console-svc tests')
    (folder / 'ca-cert.pem').write_bytes(
        _certificate(issuer, issuer, authority, authority, True)
    )
    server = _key()
    (folder / 'server-cert.pem').write_bytes(
        _certificate(_name('127.0.0.1'), issuer, server, authority, False)
    )
    (folder / 'server-key.pem').write_bytes(
        server.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPrivateKey,
    signer: rsa.RSAPrivateKey,
    authority: bool,
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    address = ipaddress.ip_address('127.0.0.1')
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(address)]),
            critical=False,
        )
        # Since Python 3.13, clients require these three.
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                content_commitment=False,
                key_encipherment=not authority,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                signer.public_key()
            ),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
