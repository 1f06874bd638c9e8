"""P7: what an instantiate plans and writes, rendering excluded."""
import json
import statistics
import time

from bench import run
import emco

APPS, CLUSTERS, OBJECTS = 10, 100, 100
TABLES = ("app_context", "app_context_cluster", "unit", "manifest", "resource_set")


def p7_instantiate(bench):
    """Plan and persist for A apps on C clusters with R objects each; rendering comes from the cache."""
    scene = emco.Scene(bench.api, "p7")
    remote = emco.Remote.create(bench.folder / "p7.git")
    scene.clusters({f"c{n:03d}": remote for n in range(CLUSTERS)}, labels={f"c{n:03d}": ["all"] for n in range(CLUSTERS)})
    scene.cloud()
    template = ("{{ range $i := until %d }}---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ $.Chart.Name }}-{{ $i }}\n"
                "data:\n  text: {{ repeat 20 \"0123456789\" }}\n  turn: {{ $.Values.turn | default 0 | quote }}\n{{ end }}\n" % OBJECTS)
    apps = [f"a{n}" for n in range(APPS)]
    scene.apps({app: emco.chart(app, {"m.yaml": template}) for app in apps})
    scene.deployment({app: scene.by_label("all") for app in apps})
    assert bench.api.post(f"{scene.dig}/instantiate").status_code == 202
    columns = {table: bench.daemon.sql(f"SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) FROM pg_attribute WHERE "
                                       f"attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped")[0][0]
               for table in TABLES}
    context = bench.daemon.sql("SELECT max(created_at) FROM app_context")[0][0]
    assert context is not None
    rows = {table: bench.daemon.count(table) for table in TABLES}
    link = bench.postgres.dsn_of(bench.daemon.database)
    for table in TABLES:
        run("psql", link, "-qc", f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING DEFAULTS INCLUDING INDEXES)",
            "-c", f"\\copy {table} ({columns[table]}) TO '{bench.folder}/{table}.copy'")
    tuples = bench.folder / "tuples.copy"
    with open(tuples, "w") as out:
        body = "0123456789" * 20
        for number in range(APPS * CLUSTERS * OBJECTS):
            out.write(f"{number}\ta{number % APPS}\tedge+c{number % CLUSTERS:03d}\tm-{number}+ConfigMap\t{body}\n")
    run("psql", link, "-qc", "CREATE TABLE bench_tuple (id bigint PRIMARY KEY, app text, cluster text, name text, body text)")

    def copied(files):
        command = ["psql", link, "-q", "-c", "BEGIN"]
        for table, path, names in files:
            command += ["-c", f"TRUNCATE {table}", "-c", f"\\copy {table} {names} FROM '{path}'"]
        begun = time.monotonic()
        run(*command, "-c", "COMMIT")
        return time.monotonic() - begun

    def start_up():
        begun = time.monotonic()
        run("psql", link, "-qc", "BEGIN", "-c", "COMMIT")
        return time.monotonic() - begun
    ours, tuple_ratio, figures = [], [], []
    for turn in range(bench.rounds):
        assert bench.api.post(f"{scene.dig}/terminate").status_code == 202
        # No synchroniser runs here: what it would have taken away is forgotten by hand.
        bench.daemon.postgres.sql("DELETE FROM unit", bench.daemon.database)
        begun = time.monotonic()
        assert bench.api.post(f"{scene.dig}/instantiate").status_code == 202
        got = time.monotonic() - begun
        idle = start_up()
        raw = copied([(f"bench_{t}", bench.folder / f"{t}.copy", f"({columns[t]})") for t in TABLES]) - idle
        each = copied([("bench_tuple", tuples, "")]) - idle
        ours.append(raw / got)
        tuple_ratio.append(each / got)
        figures.append((got, raw, each))
    got, raw, each = (statistics.median(column) for column in zip(*figures))
    count = APPS * CLUSTERS * OBJECTS
    # Gate: at most 3 times the COPY of what is written, and half the COPY of a row for each tuple.
    bench.row("P7", ours, 1 / 3, limit_s=raw, got_s=got, tuples=count, rows=json.dumps(rows).replace(" ", ""))
    bench.row("P7b", tuple_ratio, 2.0, limit_s=each, got_s=got)


ROWS = {"P7": p7_instantiate}
