"""P6 and P13: what rendering costs, and the status of a deployment of 100,000 resources."""
import statistics
import time

from bench import conftest, psycopg2, run
from rows_lists import Http
import emco

APPS, CLUSTERS, OBJECTS = 10, 100, 100
MAPS = """{{ range $i := until %d }}---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Chart.Name }}-{{ $i }}
data:
  turn: {{ $.Values.turn | default 0 | quote }}
{{ end }}
"""


def deploy(bench, api, name, apps, clusters, objects):
    scene = emco.Scene(api, name)
    remote = emco.Remote.create(bench.folder / f"{name}.git")
    scene.clusters({f"c{n:03d}": remote for n in range(clusters)}, labels={f"c{n:03d}": ["all"] for n in range(clusters)})
    scene.cloud()
    charts = {f"a{n}": emco.chart(f"a{n}", {"m.yaml": MAPS % objects}) for n in range(apps)}
    scene.apps(charts)
    scene.deployment({app: scene.by_label("all") for app in charts})
    return scene, charts


def post(api, path):
    begun = time.monotonic()
    answer = api.post(path)
    if answer.status_code != 202:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    return time.monotonic() - begun


def p6_render(bench):
    """An instantiate of one app for the first time against `helm template` of its chart; and an update where nothing changed."""
    count = bench.folder / "helm-runs"
    wrapper = bench.folder / "helm-counted"
    wrapper.write_text(f'#!/bin/sh\ncase $1 in template) echo run >>{count} ;; esac\nexec {bench.helm} "$@"\n')
    wrapper.chmod(0o755)
    daemon = conftest.Daemon(bench.folder / "p6", bench.postgres, str(wrapper), controllers={}, options={"log_level": "warning"})
    bench.daemons.append(daemon.start())
    api = daemon.client()

    def runs():
        return len(count.read_text().splitlines()) if count.exists() else 0
    ratios, figures = [], []
    for turn in range(bench.rounds):
        scene, charts = deploy(bench, api, f"p6-{turn}", 1, 1, 50)
        archive = bench.folder / "p6.tgz"
        archive.write_bytes(charts["a0"])
        begun = time.monotonic()
        run(bench.helm, "template", "r", archive)
        raw = time.monotonic() - begun
        # A chart that was rendered before comes from the cache: values make each one new.
        scene.profile("a0", emco.profile(f"turn: {turn}\n"))
        got = post(api, f"{scene.dig}/instantiate")
        ratios.append(raw / got)
        figures.append((raw, got))
    raw, got = (statistics.median(column) for column in zip(*figures))
    bench.row("P6", statistics.median(ratios), 1 / 1.1, limit_s=raw, got_s=got)

    scene, _ = deploy(bench, api, "p6-same", APPS, 1, 50)
    post(api, f"{scene.dig}/instantiate")
    before = runs()
    each = statistics.median(post(api, f"{scene.dig}/update") for _ in range(3 * bench.rounds)) / APPS
    bench.row("P6b", 0.001 / each, 1, holds=before > 0 and runs() == before, got_s=each, apps=APPS, helm_runs=runs() - before)


def p13_status(bench):
    """The summary of 100,000 resources against one row by its key."""
    scene, _ = deploy(bench, bench.api, "p13", APPS, CLUSTERS, OBJECTS)
    post(bench.api, f"{scene.dig}/instantiate")
    link = psycopg2.connect(bench.postgres.dsn_of(bench.daemon.database))
    link.autocommit = True
    cursor = link.cursor()
    cursor.execute("PREPARE bench_row AS SELECT doc FROM resource WHERE path = $1")
    http_link = Http(bench)
    figures = []
    for _ in range(bench.rounds):
        took = []
        for _ in range(100):
            begun = time.monotonic()
            cursor.execute("EXECUTE bench_row (%s)", (scene.dig,))
            cursor.fetchall()
            took.append(time.monotonic() - begun)
        figures.append((statistics.median(took),
                        statistics.median(http_link.get(f"{scene.dig}/status?output=summary")[1] for _ in range(100)),
                        statistics.median(http_link.get(scene.dig)[1] for _ in range(100))))
    raw, got, plain = (statistics.median(column) for column in zip(*figures))
    bench.row("P13", 0.005 / got, 1, limit_s=raw, got_s=got, plain_get_s=plain, resources=APPS * CLUSTERS * OBJECTS)
    link.close()


ROWS = {"P6": p6_render, "P13": p13_status}
