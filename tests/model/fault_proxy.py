"""A reverse proxy before a real API server, which breaks what passes through it.

It ends TLS with a certificate of an authority of its own and goes on to the API server with the administrator's credentials,
so every answer that is not broken is the real server's.  What is broken, and how often, is drawn from a seeded generator:

    proxy.disturb(rate=0.5)                     every second request meets one of FAULTS
    proxy.lose("refuse"), proxy.lose("silence") the cluster is away
    proxy.cut_watches(expired=True)             streams end, with or without "410 Gone"
    proxy.calm()                                whatever was done, it is over

Some faults strike before the request has reached the API server, some after: then it was carried out, and nobody told.
"""
import base64
import http.client
import json
import pathlib
import random
import select
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import yaml

TOKEN = "fault-proxy"
DEADLINE_S = 30                 # of one request to the API server
WATCH_S = 300                   # of a stream: the API server ends it before
STREAM_CUT_S = 0.5              # a stream that is to break off
HOLD_S = 20                     # longest silence
HEAD_MAX, BODY_MAX = 64 << 10, 16 << 20

# What the API server and what stands before it say when they cannot.
REFUSALS = {
    "409": (409, "Conflict", "Operation cannot be fulfilled on the object: the object has been modified", {}),
    "422": (422, "Invalid", "the object is invalid: metadata: Invalid value: injected", {}),
    "429": (429, "TooManyRequests", "too many requests", {}),
    "429-later": (429, "TooManyRequests", "too many requests, please try again later", {"Retry-After": "1"}),
    "500": (500, "InternalError", "Internal error occurred: etcdserver: request timed out", {}),
    "503": (503, "ServiceUnavailable", "the server is currently unable to handle the request", {}),
    "503-later": (503, "ServiceUnavailable", "apiserver is shutting down", {"Retry-After": "1"}),
}
GARBAGE = {
    "garbage": (200, b"<html><body>It works!</body></html>"),
    "garbage-json": (200, b'["neither", "kind", "nor", "name"]'),
    "no-backend": (404, b"default backend - 404"),
    "bad-gateway": (502, b"<html><body>502 Bad Gateway</body></html>"),
}
EXPIRED = json.dumps({"type": "ERROR", "object": {
    "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
    "message": "too old resource version: 1 (2)"}}).encode() + b"\n"

# Of the connection: before the request is passed on, or after it was answered.
BREAKS = ("silence", "close", "done-silence", "done-close", "cut-head", "cut-body", "dribble", "dribble-long")
FAULTS = (*REFUSALS, *GARBAGE, *BREAKS)


class Authority:
    """A certificate authority, and a server's certificate for 127.0.0.1."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        self._openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", "/CN=fault proxy CA")
        self._openssl("req", "-new", *curve, "-keyout", "proxy.key", "-out", "proxy.csr", "-subj", "/CN=fault proxy")
        self._openssl("x509", "-req", "-in", "proxy.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-out", "proxy.crt", "-days", "30", "-extfile", "names")

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}"

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "proxy.crt", self.folder / "proxy.key")
        return context

    def kubeconfig(self, port):
        authority = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        return yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": authority}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }).encode()


class Upstream:
    """Connections to the real API server, with the credentials of its kubeconfig."""

    def __init__(self, kubeconfig, folder):
        config = yaml.safe_load(pathlib.Path(kubeconfig).read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.address = urllib.parse.urlsplit(cluster["server"])
        for name, data in (("up.ca", cluster["certificate-authority-data"]), ("up.crt", user["client-certificate-data"]),
                           ("up.key", user["client-key-data"])):
            (folder / name).write_bytes(base64.b64decode(data))
        self.context = ssl.create_default_context(cafile=folder / "up.ca")
        self.context.load_cert_chain(folder / "up.crt", folder / "up.key")

    def socket(self):
        plain = socket.create_connection((self.address.hostname, self.address.port), DEADLINE_S)
        return self.context.wrap_socket(plain, server_hostname=self.address.hostname)

    def connect(self, seconds):
        return http.client.HTTPSConnection(self.address.hostname, self.address.port, timeout=seconds, context=self.context)


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.is_watch = "watch=true" in target

    @classmethod
    def read(cls, stream):
        """None at the end of the connection, be it in the middle of a request."""
        line = stream.readline(HEAD_MAX)
        if not line.strip():
            return None
        method, target, _version = line.decode("latin-1").split()
        headers = {}
        while True:
            raw = stream.readline(HEAD_MAX)
            if not raw.endswith(b"\n"):
                return None
            line = raw.decode("latin-1").strip()
            if not line:
                break
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        assert length <= BODY_MAX, f"{target}: a body of {length} bytes"
        body = stream.read(length)
        if len(body) < length:                   # passed on, half a DELETE is one with the server's own rules: its pods stay
            return None
        return cls(method, target, headers, body or None)


def head_of(code, headers):
    lines = [f"HTTP/1.1 {code} {http.client.responses.get(code, 'Unknown')}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Broken(Exception):
    """This connection shall end now."""


class FaultProxy:
    def __init__(self, folder, kubeconfig, seed):
        self.folder = pathlib.Path(folder)
        self.authority = Authority(self.folder)
        self.upstream = Upstream(kubeconfig, self.folder)
        self.random = random.Random(seed)
        self.lock = threading.Lock()             # guards all below
        self.rate, self.faults = 0.0, FAULTS
        self.lost = None                         # None, "refuse" or "silence"
        self.epoch = 0                           # moves on with every calm(): what is held since before it ends
        self.connections, self.watches = set(), {}
        self.counts = dict.fromkeys((*FAULTS, "passed", "cut"), 0)
        self.listener, self.port = None, 0
        self.is_closed = False
        self._listen()
        self.thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self.thread.start()

    def kubeconfig(self):
        return self.authority.kubeconfig(self.port)

    # What tests switch.

    def disturb(self, rate, faults=FAULTS):
        with self.lock:
            self.rate, self.faults = rate, tuple(faults)

    def lose(self, how):
        """"refuse": nobody listens.  "silence": connections come about, and nothing more."""
        with self.lock:
            self.lost = how
            if how == "refuse" and self.listener is not None:
                self.listener.shutdown(socket.SHUT_RDWR)      # who waits in accept() lets it go
                self.listener.close()
                self.listener = None
        if how == "refuse":
            self._break_all()

    def cut_watches(self, expired=False):
        with self.lock:
            streams = list(self.watches.items())
            self.counts["cut"] += len(streams)
        for sock, stream in streams:
            if expired:
                stream.set()                     # its thread tells, and ends it
            else:
                self._break(sock)

    def calm(self):
        with self.lock:
            self.rate, self.lost = 0.0, None
            self.epoch += 1
            listens = self.listener is not None
        if not listens:
            self._listen()

    def close(self):
        self.is_closed = True
        self.lose("refuse")
        self.thread.join(10)

    # Connections.

    def _listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for tries_left in reversed(range(100)):
            try:
                listener.bind(("127.0.0.1", self.port))
                break
            except OSError:                      # the one before is let go this moment
                if tries_left == 0:
                    raise
                time.sleep(0.02)
        listener.listen(128)
        listener.settimeout(0.2)
        self.port = listener.getsockname()[1]
        with self.lock:
            self.listener = listener

    def _accept(self):
        context = self.authority.context()
        while not self.is_closed:
            with self.lock:
                listener = self.listener
            if listener is None:
                time.sleep(0.02)
                continue
            try:
                sock, _peer = listener.accept()
            except OSError:                      # nobody came, or it was closed
                continue
            threading.Thread(target=self._serve, args=(sock, context), name="proxy-connection", daemon=True).start()

    @staticmethod
    def _break(sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass                                 # it has ended meanwhile

    def _break_all(self):
        with self.lock:
            socks = list(self.connections)
        for sock in socks:
            self._break(sock)

    def _hold(self, seconds=HOLD_S):
        """Say nothing until calm()."""
        end, epoch = time.monotonic() + seconds, self.epoch
        while time.monotonic() < end and epoch == self.epoch and not self.is_closed:
            time.sleep(0.02)

    def _serve(self, sock, context):
        sock.settimeout(DEADLINE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.connections.add(sock)
        up = None
        try:
            if self.lost == "silence":
                self._hold()
                return
            with context.wrap_socket(sock, server_side=True) as tls:
                with self.lock:
                    self.connections.discard(sock)
                    self.connections.add(tls)
                sock = tls
                tls.settimeout(WATCH_S)
                up = self.upstream.connect(DEADLINE_S)
                stream = tls.makefile("rb")
                while True:
                    request = Request.read(stream)
                    if request is None:
                        return
                    self._answer(tls, up, request)
        except (OSError, ValueError, http.client.HTTPException, Broken):
            pass                                 # this side or that one has hung up, which is what we are here for
        finally:
            with self.lock:
                self.connections.discard(sock)
            if up is not None:
                up.close()
            sock.close()

    # Requests.

    def _draw(self):
        with self.lock:
            fault = self.random.choice(self.faults) if self.random.random() < self.rate else None
            self.counts[fault or "passed"] += 1
        return fault

    def _answer(self, sock, up, request):
        if self.lost is not None:
            self._hold()
            raise Broken
        assert request.headers.get("authorization") == f"Bearer {TOKEN}", "a request without the proxy's token"
        fault = self._draw()
        if fault in REFUSALS:
            code, reason, message, headers = REFUSALS[fault]
            status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
                      "message": message}
            self._send(sock, code, json.dumps(status).encode(), {"Content-Type": "application/json", **headers})
        elif fault in GARBAGE:
            self._send(sock, GARBAGE[fault][0], GARBAGE[fault][1], {"Content-Type": "text/html"})
        elif fault in ("silence", "close"):
            if fault == "silence":
                self._hold()
            raise Broken
        elif request.is_watch:
            self._stream(sock, request, WATCH_S if fault is None else STREAM_CUT_S)
        else:
            self._pass(sock, up, request, fault)

    @staticmethod
    def _send(sock, code, body, headers):
        sock.sendall(head_of(code, {**headers, "Content-Length": len(body)}) + body)

    @staticmethod
    def _ask(up, request):
        headers = {k: v for k, v in request.headers.items() if k in ("accept", "content-type", "user-agent")}
        up.request(request.method, request.target, request.body, headers)
        return up.getresponse()

    def _pass(self, sock, up, request, fault):
        answer = self._ask(up, request)
        body = answer.read()
        kept = {k: v for k, v in answer.getheaders() if k.lower() in ("content-type", "retry-after", "warning", "location")}
        head = head_of(answer.status, {**kept, "Content-Length": len(body)})
        if fault is None:
            sock.sendall(head + body)
            return
        if fault == "done-silence":
            self._hold()
        elif fault == "cut-head":
            sock.sendall(head[:len(head) // 2])
        elif fault == "cut-body":
            sock.sendall(head + body[:len(body) // 2])
        elif fault.startswith("dribble"):
            # Of the long one the client has had enough before it ends.
            pause, pieces = (0.01, 20) if fault == "dribble" else (0.25, 40)
            step, epoch = max(1, len(body) // pieces), self.epoch
            sock.sendall(head)
            for at in range(0, len(body), step):
                sock.sendall(body[at:at + step])
                if epoch == self.epoch:
                    time.sleep(pause)
            return
        raise Broken

    def _stream(self, sock, request, seconds=WATCH_S):
        """A watch, byte for byte; its connection ends with it."""
        up, expired, hung_up = self.upstream.socket(), threading.Event(), time.monotonic() + seconds
        kept = {k: v for k, v in request.headers.items() if k in ("accept", "user-agent")}
        head = {"Host": self.upstream.address.netloc, "Connection": "close", **kept}
        try:
            up.sendall(f"GET {request.target} HTTP/1.1\r\n".encode() + head_of(0, head).split(b"\r\n", 1)[1])
            with self.lock:
                self.watches[sock] = expired
            last = b""
            while time.monotonic() < hung_up and self.lost != "silence":
                if expired.is_set() and last.endswith(b"\n\r\n"):      # not within an event
                    sock.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(EXPIRED), EXPIRED))
                    break
                if up.pending() == 0 and not select.select([up], [], [], 0.1)[0]:
                    continue
                last = up.recv(64 << 10)
                if not last:
                    break
                sock.sendall(last)
            if self.lost == "silence":
                self._hold()
            raise Broken
        finally:
            with self.lock:
                self.watches.pop(sock, None)
            up.close()
