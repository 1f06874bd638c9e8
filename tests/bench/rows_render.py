"""P6: the renderer alone, on several charts at once: cold, and where nothing has changed."""
import statistics
import subprocess
import time

from bench import TOOLS
from rows_status import MAPS
import emco

CHARTS, RENDERS, OBJECTS, LOOKS = 4, 4, 50, 10


def p6_render(bench):
    """render_all of four charts against four `helm template` at once; then the same values again, which starts no process."""
    count = bench.folder / "helm-runs"
    helm = bench.folder / "helm-counted"             # for both: what it costs falls out of the ratio
    helm.write_text(f'#!/bin/sh\necho run >>{count}\nexec {bench.helm} "$@"\n')
    helm.chmod(0o755)
    archives = []
    for number in range(CHARTS):
        archives.append(bench.folder / f"p6-{number}.tgz")
        archives[-1].write_bytes(emco.chart(f"a{number}", {"m.yaml": MAPS % OBJECTS}))
    profile = bench.folder / "p6-profile.tgz"
    profile.write_bytes(emco.profile())
    data = bench.folder / "p6"
    data.mkdir()
    ours = subprocess.Popen([TOOLS / "bench-render", helm, str(RENDERS), data, bench.postgres.dsn_of(bench.daemon.database),
                             bench.daemon.key, profile, *archives], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    bench.helpers.append(ours)

    def render(turn):
        ours.stdin.write(f"{turn}\n")
        ours.stdin.flush()
        return float(ours.stdout.readline())

    def plain(turn):
        begun = time.monotonic()
        runs = [subprocess.Popen([helm, "template", "r", archive, "--namespace", "default", "--include-crds", "--set-string",
                                  f"turn={turn}"], stdout=subprocess.DEVNULL) for archive in archives]
        if any(run.wait(60) != 0 for run in runs):
            raise RuntimeError("helm template has failed")
        return time.monotonic() - begun

    def started():
        return len(count.read_text().splitlines())
    render("warm-up")                                # asks for Helm's version, once
    plain("warm-up")
    ratios, figures, same, more = [], [], [], 0
    for turn in range(bench.rounds):
        raw, got = plain(turn), render(turn)
        ratios.append(raw / got)
        figures.append((raw, got))
        before = started()
        same += [render(turn) / CHARTS for _ in range(LOOKS)]
        more += started() - before
    raw, got = (statistics.median(column) for column in zip(*figures))
    bench.row("P6", ratios, 1 / 1.1, limit_s=raw, got_s=got, charts=CHARTS, at_once=RENDERS)
    each = statistics.median(same)
    bench.row("P6b", 0.001 / each, 1, holds=more == 0, got_s=each, helm_runs=more)
    ours.stdin.close()
    ours.wait(30)


ROWS = {"P6": p6_render}
