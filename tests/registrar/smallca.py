# SPDX-License-Identifier: MIT
"""A CA that is small and fast, for the scripted upstream of the registrar's tests. Everything it has is
in one directory, and found again there."""
import base64
import datetime
import ipaddress
import os
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID, ObjectIdentifier

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
CLIENT_AUTH, SERVER_AUTH, CMC_RA = (ObjectIdentifier("1.3.6.1.5.5.7.3." + n) for n in ("2", "1", "28"))
DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def fingerprint(der):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize().hex()


class Pair:
    """A certificate, its key, and files of both."""

    def __init__(self, cert, key):
        self.cert, self.key = cert, key

    @staticmethod
    def load(path):
        with open(path + ".crt", "rb") as file:
            cert = x509.load_pem_x509_certificate(file.read())
        with open(path + ".key", "rb") as file:
            return Pair(cert, serialization.load_pem_private_key(file.read(), None))

    def save(self, path):
        with open(os.open(path + ".key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption()))
        with open(path + ".crt", "wb") as file:
            file.write(self.cert.public_bytes(PEM))

    def issue(self, name, key, extensions, begins=-MINUTE, ends=30 * DAY):
        return issue(self.cert.subject, self.key, name, key.public_key(), extensions, begins, ends)


def issue(issuer, issuer_key, name, public_key, extensions, begins=-MINUTE, ends=30 * DAY):
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().issuer_name(issuer).subject_name(name).public_key(public_key)
               .serial_number(x509.random_serial_number())
               .not_valid_before(now + begins).not_valid_after(now + ends)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                   issuer_key.public_key()), False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def usage(**which):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: which.get(name, False) for name in names}), True


def authority(name, above=None):
    """A CA's certificate and key; a root, or one below `above`."""
    key = new_key()
    extensions = [(x509.BasicConstraints(True, None), True), usage(key_cert_sign=True, crl_sign=True)]
    by = above or Pair(None, key)
    issuer = by.cert.subject if by.cert else common_name(name)
    return Pair(issue(issuer, by.key, common_name(name), key.public_key(), extensions, -MINUTE,
                      3650 * DAY), key)


def end_entity(by, name, purposes, names=(), begins=-MINUTE, ends=30 * DAY):
    key = new_key()
    extensions = [(x509.BasicConstraints(False, None), True), usage(digital_signature=True),
                  (x509.ExtendedKeyUsage(purposes), False)]
    if names:
        extensions.append((x509.SubjectAlternativeName(names), False))
    return Pair(by.issue(common_name(name), key, extensions, begins, ends), key)


class SmallCA:
    """In DIR: root and issuing CA, servers' certificates (good, and each wrong in one way), the
    registrar's own credential, cacerts.pem (what /cacerts serves: read each time, so a test may change
    it), upstream.ta (whom a client of ours has to trust)."""

    SERVERS = ("server", "wrong-name", "expired", "unknown-ca")

    def __init__(self, directory):
        self.at = lambda name: os.path.join(directory, name)
        os.makedirs(directory, exist_ok=True)
        if not os.path.exists(self.at("upstream.ta")):
            self.make()
        self.issuing = Pair.load(self.at("issuing"))
        self.root = Pair.load(self.at("root"))

    def make(self):
        here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        root = authority("Upstream Root")
        issuing = authority("Upstream Issuing CA", root)
        tls = authority("Upstream TLS Root")
        pairs = {
            "root": root, "issuing": issuing,
            "server": end_entity(tls, "Upstream", [SERVER_AUTH, CMC_RA], here),
            "wrong-name": end_entity(tls, "Upstream", [SERVER_AUTH],
                                     [x509.DNSName("other.example")]),
            "expired": end_entity(tls, "Upstream", [SERVER_AUTH], here, -3 * DAY, -DAY),
            "unknown-ca": end_entity(authority("Upstream TLS Root"), "Upstream", [SERVER_AUTH],
                                     here),
            "registrar": end_entity(authority_for_clients(self.at), "registrar",
                                    [CLIENT_AUTH, CMC_RA]),
        }
        for name, pair in pairs.items():
            pair.save(self.at(name))
        with open(self.at("cacerts.pem"), "wb") as file:
            file.write(issuing.cert.public_bytes(PEM) + root.cert.public_bytes(PEM))
        with open(self.at("upstream.ta"), "wb") as file:
            file.write(tls.cert.public_bytes(PEM))

    def cacerts(self):
        with open(self.at("cacerts.pem"), "rb") as file:
            text = file.read()
        mark = b"-----BEGIN CERTIFICATE-----"
        return certs_only([x509.load_pem_x509_certificate(mark + part)
                           for part in text.split(mark)[1:]])

    def certify(self, name, public_key, wanted=()):
        extensions = [(x509.BasicConstraints(False, None), True), usage(digital_signature=True),
                      (x509.ExtendedKeyUsage([CLIENT_AUTH]), False)]
        for extension in wanted:
            if isinstance(extension.value, x509.SubjectAlternativeName):
                extensions.append((extension.value, extension.critical))
        return issue(self.issuing.cert.subject, self.issuing.key, name, public_key, extensions)

    def attributes(self):
        """CsrAttrs in DER, of attributes.der; None if there is no such file."""
        try:
            with open(self.at("attributes.der"), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None


def authority_for_clients(at):
    """The CA of those who may come, whose root is client-ca.pem."""
    clients = authority("Clients of the upstream")
    with open(at("client-ca.pem"), "wb") as file:
        file.write(clients.cert.public_bytes(PEM))
    clients.save(at("client-ca"))
    return clients


def tlv(tag, *content):
    content = b"".join(content)
    n = len(content)
    length = bytes([n]) if n < 128 else bytes([0x80 | (n.bit_length() + 7) // 8]) + n.to_bytes(
        (n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + content


def certs_only(certs):
    """Degenerate SignedData, as RFC 7030 section 4.1.3 asks."""
    data = tlv(0x30, bytes.fromhex("06092a864886f70d010701"))
    signed = tlv(0x30, bytes.fromhex("020101" "3100"), data,
                 tlv(0xa0, *(cert.public_bytes(DER) for cert in certs)), bytes.fromhex("3100"))
    return tlv(0x30, bytes.fromhex("06092a864886f70d010702"), tlv(0xa0, signed))


def certs_only_with_content(certs):
    """The same with an empty content, which some libraries write."""
    return pkcs7.serialize_certificates(certs, DER)


def certs_only_in_ber(certs):
    """And in indefinite lengths, as some others do."""
    end = bytes(2)
    content = bytes.fromhex("3080" "06092a864886f70d010701") + end
    inside = b"\xa0\x80" + b"".join(cert.public_bytes(DER) for cert in certs) + end
    signed = b"\x30\x80" + bytes.fromhex("020101" "3100") + content + inside + bytes.fromhex("3100") + end
    return bytes.fromhex("3080" "06092a864886f70d010702" "a080") + signed + end + end


def pkcs8(key):
    return key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def enveloped(plain):
    """CMS EnvelopedData around a key, for a secret the device may have, and nobody in between."""
    done = subprocess.run(["openssl", "cms", "-encrypt", "-aes128", "-outform", "DER", "-binary",
                           "-secretkey", "000102030405060708090a0b0c0d0e0f", "-secretkeyid", "a1"],
                          input=plain, stdout=subprocess.PIPE, check=True)
    return done.stdout


def base64_as(der, style):
    """Base64 the way servers write it. RFC 8951 section 3: all of it is to be read."""
    line = base64.b64encode(der)
    lines = [line[i:i + 64] for i in range(0, len(line), 64)]
    if style == "oneline":
        return line
    if style == "crlf":
        return b"\r\n".join(lines) + b"\r\n"
    if style == "spaces":
        return b" \n\n" + b" \t\n  ".join(lines) + b"  \r\n\r\n "
    return b"\n".join(lines) + b"\n"
