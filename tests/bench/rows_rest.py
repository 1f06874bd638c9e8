"""P1, P2, P16 and P18: the REST server alone, without controllers."""
import pathlib
import re
import statistics
import subprocess
import time

from bench import THREADS, TOOLS, answers, bound, conftest, end
import emco


def p1_get_one(bench):
    names = [f"p{n:07d}" for n in range(1, 1001)]
    for name in names:
        bench.api.make("projects", emco.named(name))
    _, sql, values = bench.statements(lambda: bench.api.get(f"projects/{names[0]}"))[0]
    values = {key: value.replace(f"'projects/{names[0]}'", "('projects/p' || lpad((:n)::text, 7, '0'))")
              for key, value in values.items()}
    script = "\\set n random(1, 1000)\n" + bound(sql, values) + ";\n"
    lua = 'request = function() return wrk.format("GET", string.format("/v2/projects/p%07d", math.random(1, 1000))) end\n'
    process, url = bench.hello()
    ratios, figures = [], []
    for _ in range(bench.rounds):
        hello, *alone = bench.wrk(url)
        raw = bench.pgbench(script)
        got, p50, p99 = bench.wrk(bench.daemon.url, lua)
        limit = 1 / (1 / hello + 1 / raw)
        ratios.append(got / limit)
        figures.append((got, limit, hello, raw, p50, p99, alone[1] / alone[0]))
    end(process)
    got, limit, hello, raw, p50, p99, tail = (statistics.median(column) for column in zip(*figures))
    bench.row("P1", ratios, 0.60, holds=p99 <= 4 * p50, limit=limit, got=got, hello=hello, pgbench=raw, p50=p50, p99=p99,
              p99_over_p50=p99 / p50, hello_p99_over_p50=tail)


def p2_write(bench):
    seen = bench.statements(lambda: bench.api.make("projects", emco.named("p2probe")))
    _, sql, values = seen[-1]
    values = {key: re.sub(r"^'(.*?)p2probe(.*?)'$", r"('\1b' || :client_id || '-' || :n || '\2')", value)
              for key, value in values.items()}
    script = "\\set n random(1, 1000000000000)\n" + bound(sql, values) + ";\n"
    rounds = iter(range(10 ** 6))
    ratios, figures = [], []
    for _ in range(bench.rounds):
        raw = bench.pgbench(script)
        lua = ('local n = 0\nlocal path = "/v2/projects"\nlocal head = {["Content-Type"] = "application/json"}\n'
               'request = function() n = n + 1\n return wrk.format("POST", path, head, '
               f'string.format(\'{{"metadata":{{"name":"w{next(rounds)}-%d"}}}}\', n)) end\n')
        got, p50, p99 = bench.wrk(bench.daemon.url, lua)
        ratios.append(got / raw)
        figures.append((got, raw, p50, p99))
    got, raw, p50, p99 = (statistics.median(column) for column in zip(*figures))
    bench.row("P2", ratios, 0.60, holds=len(seen) <= 2, limit=raw, got=got, round_trips=len(seen), p50=p50,
              p99=p99)


def p16_start(bench):
    times = []
    for _ in range(bench.rounds):
        bench.daemon.stop()
        begun = time.monotonic()
        bench.daemon.spawn()
        while not answers(bench.daemon.url + "/readyz"):
            if time.monotonic() - begun > 30:
                raise RuntimeError("emcod is not ready after 30 s")
            time.sleep(0.001)
        times.append(time.monotonic() - begun)
    hello = []
    for _ in range(bench.rounds):
        port = conftest.free_port()
        begun = time.monotonic()
        process = subprocess.Popen([TOOLS / "bench-hello", str(port), str(THREADS)])
        while not answers(f"http://127.0.0.1:{port}/"):
            time.sleep(0.001)
        hello.append(time.monotonic() - begun)
        end(process)
    got = statistics.median(times)
    bench.row("P16", 0.200 / got, 1, got_s=got, hello_s=statistics.median(hello), objects=bench.daemon.count("resource"))


def p18_memory(bench):
    bench.daemon.stop()
    bench.daemon.start()
    status = pathlib.Path(f"/proc/{bench.daemon.process.pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024
    bench.row("P18", 30 / resident, 1, idle_mb=resident)


ROWS = {"P1": p1_get_one, "P2": p2_write, "P16": p16_start, "P18": p18_memory}
