"""Servers that are no API servers, each with one habit, and kubeconfigs that lead to them with a bearer token."""
import base64
import pathlib
import socket
import ssl
import subprocess
import threading

import yaml


class Authority:
    """A certificate authority of a test's own."""

    def __init__(self, folder, name="authority"):
        self.folder = pathlib.Path(folder)
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                      "-subj", f"/CN={name}", "-keyout", "ca.key", "-out", "ca.crt")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, timeout=60, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    @property
    def certificate(self):
        return (self.folder / "ca.crt").read_bytes()

    def context(self, name, alternative="IP:127.0.0.1"):
        """TLS for a server that shows a certificate for `alternative`."""
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt")
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        return made


class BadServer:
    """Listens on loopback; habit(self, connection, request head) answers each connection once, on a thread of its own."""

    def __init__(self, habit, tls=None):
        self.habit, self.tls = habit, tls
        self.heads = []                       # what was sent to it, up to the empty line
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self._listener.close()

    def _accept(self):
        while not self.over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.settimeout(60)
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            head = b""
            while self.habit is not silent and b"\r\n\r\n" not in head and len(head) < 65536:
                piece = connection.recv(65536)
                head += piece
                if not piece or self.tls is None:         # what is no HTTP has no end that could be waited for
                    break
            self.heads.append(head)
            self.habit(self, connection, head)
        except (OSError, ssl.SSLError):                   # the client has had enough
            pass
        finally:
            connection.close()


def _answer(connection, code, body, *headers):
    lines = [f"HTTP/1.1 {code} x", f"Content-Length: {len(body)}", "Connection: close", *headers]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def silent(server, _connection, _head):
    """Connects, and never says a word."""
    server.over.wait(60)


def garbage(_server, connection, _head):
    connection.sendall(b"\x00\x01\x02 what is this?\r\n\r\n")


def web_page(_server, connection, _head):
    _answer(connection, 200, b"<html><body>It works!</body></html>", "Content-Type: text/html")


def no_list(_server, connection, _head):
    _answer(connection, 200, b'{"hello": "world"}', "Content-Type: application/json")


def echo(_server, connection, head):
    """Repeats what it was sent, as proxies do in their pages for an error."""
    _answer(connection, 502, b"bad gateway for: " + head, "Content-Type: text/plain")


def endless(server, connection, _head):
    """An answer that goes on, slowly, and never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not server.over.wait(0.05):
        connection.sendall(b"1\r\n \r\n")


def huge(server, connection, _head):
    """An answer that is far too big."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not server.over.is_set():
        connection.sendall(b"100000\r\n" + b" " * 0x100000 + b"\r\n")


def redirect_to(location):
    def redirect(_server, connection, head):
        path = head.split(b" ")[1].decode()
        _answer(connection, 307, b"", f"Location: {location}{path}")
    return redirect


def kubeconfig(server, token, authority=b""):
    """One that a user might upload: the token stands in the file."""
    cluster = {"server": server}
    if authority:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "x",
                           "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": {"token": token}}],
                           "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}).encode()
