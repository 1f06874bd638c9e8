#!/usr/bin/env python3
"""A scripted API server: answers over HTTPS what a test tells it, in the order it tells it.

The first line of output is JSON: the ports and the certificates.  Then each line of input is a command and is answered by one
line.  {"rule": {"method", "path", "answers": [...]}}: path is compared as a prefix; answers are given in order, the last one
for ever; a later rule wins over an earlier one.  {"log": true}: all requests so far.  {"forget": true}: all rules and the log.

An answer: code, body, headers, delay (seconds), size (so many bytes of body), stream (pieces: text, or seconds to wait),
break ("before": no byte; "half": in the middle of the body; "garbage": what is no HTTP).
"""
import http.server
import json
import os
import shutil
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time

# What a server has that nobody made a rule of.
GROUPS = {"/api": '{"kind": "APIVersions", "versions": ["v1"]}', "/apis": '{"kind": "APIGroupList", "groups": []}'}

folder = tempfile.mkdtemp(prefix="kube-server-")
lock = threading.Lock()
rules, log = [], []


def openssl(*args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=" + name, "-keyout", name + ".key", "-out", name + ".crt")


def make_certificate(name, authority, end):
    open(f"{folder}/{name}.ext", "w").write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    open(f"{folder}/{name}.cnf", "w").write(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=%s.db\nserial=%s.srl\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
        "unique_subject=no\nrand_serial=yes\n[p]\ncommonName=supplied\n" % (name, name))
    open(f"{folder}/{name}.db", "w").close()
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name, "-keyout",
            name + ".key", "-out", name + ".csr")
    openssl("ca", "-batch", "-config", name + ".cnf", "-cert", authority + ".crt", "-keyfile", authority + ".key", "-in",
            name + ".csr", "-out", name + ".crt", "-extfile", name + ".ext", "-startdate", "20200101000000Z", "-enddate", end,
            "-notext")


def context(name, authority=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(f"{folder}/{name}.crt", f"{folder}/{name}.key")
    if authority:
        made.load_verify_locations(f"{folder}/{authority}.crt")
        made.verify_mode = ssl.CERT_OPTIONAL
    return made


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    timeout = 120

    def setup(self):
        self.request.settimeout(120)
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, *args):
        pass

    def chosen(self, body):
        certificate = self.request.getpeercert() if self.server.tls else None
        with lock:
            log.append({"method": self.command, "path": self.path, "body": body.decode("utf-8", "replace"),
                        "headers": dict(self.headers), "at": time.monotonic(),
                        "port": self.client_address[1],
                        "user": certificate["subject"][0][0][1] if certificate else ""})
            for rule in reversed(rules):
                if rule.get("method", self.command) == self.command and self.path.startswith(rule["path"]):
                    answers = rule["answers"]
                    return answers.pop(0) if len(answers) > 1 else answers[0]
        groups = GROUPS.get(self.path)
        return {"body": groups} if groups else {"code": 404, "body": "404 page not found"}

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.chosen(body)
        time.sleep(answer.get("delay", 0))
        broken = answer.get("break")
        if broken == "before":
            self.close_connection = True
            return
        if broken == "garbage":
            self.wfile.write(b"\x00\x01\x02 garbage\r\n\r\n")
            self.close_connection = True
            return
        text = answer.get("body", "").encode() or b"x" * answer.get("size", 0)
        self.send_response(answer.get("code", 200))
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        if "stream" in answer:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            for piece in answer["stream"]:
                if not isinstance(piece, str):
                    time.sleep(piece)
                    continue
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece.encode()), piece.encode()))
                self.wfile.flush()
            if broken == "half":
                self.close_connection = True
                return
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if broken == "half":
            text = text[:len(text) // 2]
            self.close_connection = True
        self.wfile.write(text)

    do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = answer


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def listen(tls):
    server = Server(("127.0.0.1", 0), Handler)
    server.tls = tls
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def command(line):
    asked = json.loads(line)
    with lock:
        if "rule" in asked:
            rules.append(asked["rule"])
        if asked.get("forget"):
            rules.clear()
            log.clear()
        return log if asked.get("log") else {}


def main():
    make_authority("ca")
    make_authority("other")
    make_certificate("server", "ca", "20991231235959Z")
    make_certificate("expired", "ca", "20210101000000Z")
    make_certificate("client", "ca", "20991231235959Z")

    def text(name):
        return open(f"{folder}/{name}").read()

    print(json.dumps({
        "https": listen(context("server", "ca")), "expired": listen(context("expired")), "http": listen(None),
        "ca": text("ca.crt"), "other": text("other.crt"), "certificate": text("client.crt"), "key": text("client.key"),
    }), flush=True)
    for line in sys.stdin:
        print(json.dumps(command(line)), flush=True)


try:
    main()
finally:
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)
