"""P13: the status of a deployment of 100,000 resources."""
import statistics
import time

from bench import psycopg2
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


ROWS = {"P13": p13_status}
