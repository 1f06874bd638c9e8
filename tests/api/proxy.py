"""A TCP proxy in front of PostgreSQL's Unix socket: what stands between a process and its database can be cut."""
import select
import socket
import threading


class Proxy:
    def __init__(self, path):
        self.path = path
        self._is_cut = False
        self._lock = threading.Lock()
        self._pairs = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def dsn(self, dsn):
        """The same database, by way of this proxy."""
        kept = [p for p in dsn.split() if p.split("=")[0] not in ("host", "port")]
        return " ".join(kept) + f" host=127.0.0.1 port={self.port}"

    def cut(self):
        """Every connection breaks, and none comes about until mend()."""
        with self._lock:
            self._is_cut = True
            for pair in self._pairs:
                for end in pair:
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:             # gone by itself
                        pass

    def mend(self):
        with self._lock:
            self._is_cut = False

    def close(self):
        self.cut()
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.path)
            except OSError:                     # PostgreSQL is down
                server.close()
                client.close()
                continue
            with self._lock:
                if self._is_cut:
                    client.close()
                    server.close()
                    continue
                self._pairs.add((client, server))
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()

    def _pump(self, client, server):
        other = {client: server, server: client}
        try:
            while True:
                for end in select.select([client, server], [], [])[0]:
                    piece = end.recv(65536)
                    if not piece:
                        return
                    other[end].sendall(piece)
        except OSError:
            pass
        finally:
            with self._lock:
                self._pairs.discard((client, server))
            client.close()
            server.close()
