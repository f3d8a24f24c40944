#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripted.py --dir DIR [--no-client-cert]: an EST server over HTTPS (RFC 7030) that behaves as the
label of a request's path says (behaviour.py). It prints "ready PORT" and, on the same line, NAME=PORT
for further ports of 127.0.0.1:

    wrong-name, expired, unknown-ca   a server's certificate that is no good
    second    another server of the same service         tls12     TLS 1.2 and no more
    plain     HTTP without TLS                           silent    takes a connection and says nothing

All of its files are in DIR and are made if they are missing (smallca.py); ports and CA stay the same
when it is started there again. DIR/journal has a line of JSON for each connection, request, certificate
and answer. While it runs, a file DIR/override with lines "LABEL BEHAVIOUR" ("*": any label; "-": none;
":main": any at that port) stands in for what labels say, and DIR/max-age puts a Cache-Control into
answers to GET.
"""
import argparse
import base64
import binascii
import email.utils
import http.client
import http.server
import json
import os
import random
import socketserver
import ssl
import sys
import threading
import time

from cryptography import x509

import behaviour
import smallca

ROOT_PATH = ["", ".well-known", "est"]
POSTS = ("simpleenroll", "simplereenroll", "serverkeygen")
GETS = ("cacerts", "csrattrs")
FOREVER_S = 600
HUNDRED_MB = 100 << 20
BOUNDARY = "a=boundary 1"
CERTS = "application/pkcs7-mime; smime-type=certs-only"


class Drop(Exception):
    """The connection ends here."""


class Journal:
    def __init__(self, path):
        self.lock = threading.Lock()
        self.file = open(path, "a", buffering=1)

    def note(self, **what):
        with self.lock:
            self.file.write(json.dumps({"time": round(time.time(), 3), **what},
                                       separators=(",", ":")) + "\n")


class Upstream:
    """What all ports share."""

    def __init__(self, directory):
        self.ca = smallca.SmallCA(directory)
        self.journal = Journal(self.ca.at("journal"))
        self.lock = threading.Lock()
        self.connections = 0
        self.posts = {}   # of a request: how often it came
        self.issued = {}  # and the certificate, for "same"
        self.ports = {}

    def next_connection(self):
        with self.lock:
            self.connections += 1
            return self.connections

    def times(self, key):
        with self.lock:
            self.posts[key] = self.posts.get(key, 0) + 1
            return self.posts[key]

    def behaviour(self, label, method, port):
        try:
            with open(self.ca.at("override")) as file:
                rows = [line.split() for line in file if line.strip()]
        except FileNotFoundError:
            rows = []
        for row in rows:
            if row[0] in (label or "-", "*", ":" + port):
                label = row[1]
                break
        return behaviour.Behaviour(label, method)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "scripted", ""
    disable_nagle_algorithm = True

    # ---- the connection ----

    def setup(self):
        self.up = self.server.upstream
        self.id = self.up.next_connection()
        self.client, version = "", "none"
        self.note("open")
        if self.server.silent:
            time.sleep(FOREVER_S)
        if self.server.tls:
            self.request.settimeout(FOREVER_S)
            try:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            except (OSError, ssl.SSLError) as error:
                self.note("tls-failed", why=str(error))
                self.note("close")
                raise Drop from error
            version = self.request.version()
            shown = self.request.getpeercert()
            if shown:
                self.client = ",".join(f"{name}={value}" for rdn in shown["subject"]
                                       for name, value in rdn)
            self.note("tls", tls=version, client=self.client)
        super().setup()

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass
        self.request.close()
        self.note("close")

    def note(self, event, **more):
        self.up.journal.note(event=event, conn=self.id, port=self.server.name, **more)

    def log_message(self, *_):
        pass

    # ---- requests ----

    def do_GET(self):
        self.serve(GETS)

    def do_POST(self):
        self.serve(POSTS)

    def serve(self, operations):
        self.sent_status = 0
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("/")
        self.op = path[-1]
        label = path[3] if len(path) == 5 else ""
        self.about = {}
        try:
            if path[:3] != ROOT_PATH or len(path) not in (4, 5) or self.op not in operations:
                raise ValueError("no such path")
            self.how = self.up.behaviour(label, self.command, self.server.name)
        except ValueError as error:
            self.how = behaviour.Behaviour("ok", "GET")
            self.note("request", method=self.command, path=self.path, client=self.client)
            self.answer(404, "text/plain", str(error).encode())
            return
        if self.command == "POST":
            self.post(body)
        else:
            self.note("request", method="GET", path=self.path, client=self.client)
            self.misbehave(b"") or self.get()

    def get(self):
        if self.op == "cacerts":
            cms = smallca.certs_only([]) if self.how.has("nocerts") else self.up.ca.cacerts()
            self.answer_base64(CERTS.split(";")[0], cms)
            return
        attributes = self.up.ca.attributes()
        if attributes is None:
            self.answer(204, None, b"")
        else:
            self.answer_base64("application/csrattrs", attributes)

    def post(self, body):
        try:
            der = base64.b64decode(b"".join(body.split()), validate=True)
            csr = x509.load_der_x509_csr(der)
        except (ValueError, binascii.Error) as error:
            csr, der, why = None, b"", str(error)
        self.about = {"csr": smallca.fingerprint(der)}
        self.note("request", method="POST", path=self.path, client=self.client, **self.about,
                  type=self.headers.get("Content-Type"), length=len(body),
                  widest=max(map(len, body.split(b"\n"))), lines=body.endswith(b"\n"),
                  cte=self.headers.get("Content-Transfer-Encoding"), expect=self.headers.get("Expect"))
        if csr is None:
            self.answer(400, "text/plain", why.encode())
            return
        if self.headers.get("Content-Type", "").split(";")[0].strip() != "application/pkcs10":
            self.answer(415, "text/plain", b"application/pkcs10 is wanted")
            return
        if self.op != "serverkeygen" and not csr.is_signature_valid:
            self.answer(400, "text/plain", b"bad signature")
            return
        self.how.only_at_first(self.up.times((self.about["csr"], self.path)))
        self.misbehave(der) or self.enroll(csr)

    # ---- what goes wrong ----

    def misbehave(self, der):
        """@return whether the answer has been given"""
        how = self.how
        time.sleep(how.number("slow") + how.number("delay") / 1000)
        if how.has("halfopen"):
            self.wait_for_the_end()
        elif how.has("drop", "early"):
            self.note("dropped")
            raise Drop
        elif how.has("status"):
            status, *after = how.parts["status"]
            self.answer(int(status), "text/html", b"<p>/var/lib/ca/upstream.key: no " * 60,
                        after[0] if after else None)
        elif how.has("redirect"):
            port, scheme = ("plain", "http") if how.has("redirect", "plain") else ("second", "https")
            self.redirected_to = f"{scheme}://127.0.0.1:{self.up.ports[port]}/.well-known/est/{self.op}"
            self.answer(302, "text/plain", b"elsewhere")
        elif how.has("big"):
            self.answer_big()
        elif how.has("bigheader"):
            self.flood(b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"x" * 4000 + b"\r\n", HUNDRED_MB)
        elif how.has("nothttp"):
            self.write(bytes(range(256)) * 16)
            raise Drop
        elif how.has("garbage"):
            self.answer(200, CERTS, b"\x00\xff<html>" + os.urandom(3000))
        elif how.has("junk"):
            self.answer_base64(CERTS, os.urandom(900))
        else:
            return False
        return True

    def wait_for_the_end(self):
        self.request.settimeout(FOREVER_S)
        try:
            self.rfile.read(1)
        except OSError:
            pass
        raise Drop

    def answer_big(self):
        if self.how.has("big", "chunked"):
            head, piece = b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"A" * 65536 + b"\r\n"
        else:
            head, piece = b"Content-Length: %d\r\n\r\n" % HUNDRED_MB, b"A" * 65536
        self.flood(b"HTTP/1.1 200 OK\r\nContent-Type: " + CERTS.encode() + b"\r\n" + head, piece,
                   HUNDRED_MB)

    def flood(self, head, piece, total):
        sent = 0
        try:
            self.wfile.write(head)
            while sent < total:
                self.wfile.write(piece)
                sent += len(piece)
        except OSError:
            pass
        self.note("flooded", bytes=sent, whole=sent >= total, **self.about)
        raise Drop

    # ---- certificates ----

    def enroll(self, csr):
        ca, how = self.up.ca, self.how
        known = self.up.issued.get(self.about["csr"]) if how.has("same") else None
        key = smallca.new_key() if self.op == "serverkeygen" or how.has("wrongkey") else None
        name = smallca.common_name("somebody else") if how.has("wrongname") else csr.subject
        public_key = key.public_key() if key else csr.public_key()
        if known is None:
            cert = ca.certify(name, public_key, csr.extensions)
            self.up.issued[self.about["csr"]] = (cert, key)
            self.note("issued", **self.about, serial=f"{cert.serial_number:x}", path=self.path)
        else:
            cert, key = known
        time.sleep(how.number("late"))
        if how.has("drop"):
            self.note("dropped", **self.about)
            raise Drop
        certs = [] if how.has("nocerts") else [cert]
        if how.has("more"):
            certs += [ca.issuing.cert, ca.root.cert]
        cms = (smallca.certs_only_with_content if how.has("content") else
               smallca.certs_only_in_ber if how.has("ber") else smallca.certs_only)(certs)
        if self.op == "serverkeygen":
            self.answer_key(cms, smallca.pkcs8(key))
        else:
            self.answer_base64(CERTS, cms)

    def answer_key(self, certs, key):
        how = self.how
        key_type = "application/pkcs8"
        if how.has("cms"):
            key_type = "application/pkcs7-mime; smime-type=server-generated-key"
            key = smallca.enveloped(key)
        with open(self.up.ca.at("last-key"), "wb") as file:
            file.write(key)
        parts = [(key_type, key), (CERTS, certs)]
        if how.has("swapped"):
            parts.reverse()
        if how.has("onlykey"):
            parts = [(key_type, key)]
        body = b"This is a message of several parts.\r\n"
        for content_type, der in parts:
            body += (f"--{BOUNDARY}\r\nContent-Type: {content_type}\r\n"
                     f"Content-Transfer-Encoding: base64\r\n\r\n").encode()
            body += smallca.base64_as(der, how.kind_of_base64()) + b"\r\n"
        self.answer(200, f'multipart/mixed; boundary="{BOUNDARY}"',
                    body + f"--{BOUNDARY}--\r\nand that was it\r\n".encode())

    # ---- answers ----

    def answer_base64(self, content_type, der):
        how = self.how
        body = smallca.base64_as(der, how.kind_of_base64())
        if how.has("cut"):
            body = body[:len(body) // 2]
        if how.has("badtype"):
            content_type = "text/html"
        elif how.has("oddtype"):
            content_type = 'Application/PKCS7-mime ;  Smime-Type="certs-only" ; x=y'
        elif how.has("notype"):
            content_type = None
        cte = None if how.has("nocte") else "binary" if how.has("badcte") else "base64"
        self.answer(200, content_type, body, cte=cte)

    def answer(self, status, content_type, body, after=None, cte=None):
        """One write: head and body."""
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, 'Odd')}",
                 "Date: " + email.utils.formatdate(usegmt=True)]
        if content_type:
            lines.append("Content-Type: " + content_type)
        if cte:
            lines.append("Content-Transfer-Encoding: " + cte)
        if after is not None:
            after = behaviour.RETRY_AFTER[after]() if after in behaviour.RETRY_AFTER else after
        if after is not None:
            lines.append("Retry-After: " + after)
        if status == 302:
            lines.append("Location: " + self.redirected_to)
        if self.command == "GET" and os.path.exists(self.up.ca.at("max-age")):
            with open(self.up.ca.at("max-age")) as file:
                lines.append("Cache-Control: max-age=" + file.read().strip())
        if self.how.has("close"):
            lines.append("Connection: close")
            self.close_connection = True
        if status not in (204, 304):
            lines.append(f"Content-Length: {len(body)}")
        self.note("answered", status=status, path=self.path, **self.about)
        self.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def write(self, data):
        if self.how.has("truncated"):
            self.wfile.write(data[:len(data) * 3 // 4])
            raise Drop
        if self.how.has("dribble"):
            for i in range(len(data)):
                self.wfile.write(data[i:i + 1])
                time.sleep(0.1)
            return
        self.wfile.write(data)

    def handle(self):
        try:
            super().handle()
        except Drop:
            pass
        except OSError as error:
            self.note("broken", why=str(error))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, upstream, name, port, tls):
        self.upstream, self.name, self.tls = upstream, name, tls
        self.silent = name == "silent"
        super().__init__(("127.0.0.1", port), Handler, bind_and_activate=False)
        self.bind_somewhere(port)
        self.server_activate()

    def bind_somewhere(self, port):
        """A new port is none that the system gives away by itself: it must be there the next time, too."""
        for left in range(100, -1, -1):
            self.server_address = ("127.0.0.1", port or random.randrange(20000, 32000))
            try:
                self.server_bind()
                return
            except OSError:
                if port or not left:
                    raise

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, Drop):
            self.upstream.journal.note(event="fault", port=self.name, why=repr(error))

    def shutdown_request(self, request):
        self.close_request(request)  # of a wrapped socket, the one that was is of no use any more


def context(ca, name, client_cert, newest=None):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(ca.at(name + ".crt"), ca.at(name + ".key"))
    tls.load_verify_locations(ca.at("client-ca.pem"))
    tls.verify_mode = ssl.CERT_REQUIRED if client_cert else ssl.CERT_OPTIONAL
    tls.set_alpn_protocols(["http/1.1"])
    if newest:
        tls.maximum_version = newest
    return tls


def start(upstream, client_cert):
    """@return {name: server}, on the ports they had last time"""
    ca, old, servers = upstream.ca, {}, {}
    try:
        with open(ca.at("ports")) as file:
            old = json.load(file)
    except FileNotFoundError:
        pass
    contexts = {
        "main": context(ca, "server", client_cert),
        "second": context(ca, "server", client_cert),
        "tls12": context(ca, "server", client_cert, ssl.TLSVersion.TLSv1_2),
        **{name: context(ca, name, client_cert) for name in ca.SERVERS[1:]},
        "plain": None, "silent": None,
    }
    for name, tls in contexts.items():
        servers[name] = Server(upstream, name, old.get(name, 0), tls)
        upstream.ports[name] = servers[name].server_address[1]
    with open(ca.at("ports"), "w") as file:
        json.dump(upstream.ports, file)
    return servers


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[1].strip())
    parser.add_argument("--dir", required=True)
    parser.add_argument("--no-client-cert", action="store_true", help="ask for none")
    args = parser.parse_args()
    upstream = Upstream(args.dir)
    servers = start(upstream, not args.no_client_cert)
    for server in servers.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = upstream.ports
    print("ready", ports["main"], *(f"{name}={port}" for name, port in ports.items() if name != "main"),
          flush=True)
    threading.Event().wait()


main()
