#!/usr/bin/python3
"""Check that dependencies run one way and that no file outgrows its noun.

    check_layers.py ROOT          check a source tree
    check_layers.py --self-check  prove that every rule below can fail

Who may include whom is the table AREAS; ARCHITECTURE.md tells the same story in words.
"""

import pathlib
import re
import sys
import tempfile

HOST_LAYERS = ["store", "registry", "orchestrator", "resources", "api"]     # each may use those before it
KUBE_PLUGINS = ["rsync", "proxy-grpc", "placement-hpa"]                     # may link lib/kube and lib/grpc

WARN_LINES, MAX_LINES = 600, 1000
SOURCES = {".c", ".h", ".py", ".sh"}
OUR_ROOTS = ("lib/", "host/", "plugins/", "sdk/", "cli/", "tests/", "emco/")

C11_HEADERS = {
    "assert.h", "complex.h", "ctype.h", "errno.h", "fenv.h", "float.h", "inttypes.h", "iso646.h", "limits.h",
    "locale.h", "math.h", "setjmp.h", "signal.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdio.h", "stdlib.h", "stdnoreturn.h", "string.h", "tgmath.h", "threads.h", "time.h", "uchar.h",
    "wchar.h", "wctype.h",
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def host_areas():
    """(folder, what it may include) for each layer of the host; api and rpc are side by side."""
    below = ["lib/", "emco/"]
    for layer in HOST_LAYERS:
        yield f"host/{layer}/", below + [f"host/{layer}/"]
        if layer != "api":
            below = below + [f"host/{layer}/"]
    yield "host/rpc/", below + ["host/rpc/"]
    yield "host/", ["lib/", "emco/", "host/"]


# The first folder that a file lies in decides.  Includes that are none of ours are foreign libraries and not judged here,
# except below sdk/include, which strangers compile with nothing but a C library.
AREAS = [
    ("lib/base/", ["lib/base/"]),
    ("lib/", ["lib/"]),
    *host_areas(),
    *((f"plugins/{name}/", ["emco/", f"plugins/{name}/", "lib/base/", "lib/kube/", "lib/grpc/"]) for name in KUBE_PLUGINS),
    ("plugins/", ["emco/", "OWN FOLDER"]),
    ("sdk/include/", ["emco/"]),
    ("sdk/", ["emco/", "sdk/testing/", "OWN FOLDER"]),
    ("cli/", ["lib/", "cli/"]),
]


def area_of(path):
    for folder, allowed in AREAS:
        if path.startswith(folder):
            own = "/".join(path.split("/")[:2]) + "/"
            return folder, [own if prefix == "OWN FOLDER" else prefix for prefix in allowed]
    return None, []


def resolve(root, path, quote, name):
    """The name of an included file as seen from the root, or None when it is foreign."""
    if quote == '"' and not name.startswith(OUR_ROOTS):
        beside = (root / path).parent / name
        if beside.exists():
            name = beside.resolve().relative_to(root.resolve()).as_posix()
    if name.startswith("sdk/include/"):
        name = name[len("sdk/include/"):]
    return name if name.startswith(OUR_ROOTS) else None


def check_includes(root, path, text):
    folder, allowed = area_of(path)
    if folder is None:
        return
    for match in INCLUDE.finditer(text):
        quote, name = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        ours = resolve(root, path, quote, name)
        if ours is None:
            if folder == "sdk/include/" and name not in C11_HEADERS:
                yield f'{path}:{line}: sdk/include may use standard C headers only, found "{name}"'
        elif not ours.startswith(tuple(allowed)):
            yield f'{path}:{line}: {folder} may include {" ".join(allowed)}, found "{ours}"'


def source_files(root):
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.suffix in SOURCES and path.is_file() and not parts[0].startswith((".", "build", "var")):
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8", errors="replace")


def check_tree(root):
    """Returns (faults, warnings, number of files)."""
    faults, warnings, count = [], [], 0
    for path, text in source_files(root):
        count += 1
        lines = text.count("\n")
        if lines > MAX_LINES:
            faults.append(f"{path}: {lines} lines, at most {MAX_LINES}: it holds more than one noun")
        elif lines > WARN_LINES:
            warnings.append(f"{path}: {lines} lines, think again at {WARN_LINES}")
        if path.endswith((".c", ".h")):
            faults.extend(check_includes(root, path, text))
    return faults, warnings, count


# path, its text, whether it must be refused
CASES = [
    ("lib/base/ok.c",                '#include "lib/base/ok.h"\n#include <jansson.h>\n', False),
    ("lib/base/up.c",                '#include "lib/kube/client.h"\n', True),
    ("lib/kube/ok.c",                '#include "lib/base/ok.h"\n', False),
    ("lib/kube/host.c",              '#include "host/store/db.h"\n', True),
    ("lib/kube/sdk.c",               '#include <emco/plugin.h>\n', True),
    ("host/store/ok.c",              '#include "host/store/db.h"\n#include "lib/base/ok.h"\n#include <libpq-fe.h>\n', False),
    ("host/store/up.c",              '#include "host/registry/type.h"\n', True),
    ("host/registry/ok.c",           '#include "host/store/db.h"\n#include <emco/plugin.h>\n', False),
    ("host/registry/up.c",           '#include "host/orchestrator/run.h"\n', True),
    ("host/orchestrator/up.c",       '\t#  include <host/resources/all.h>\n', True),
    ("host/resources/up.c",          '#include "../api/server.h"\n', True),
    ("host/api/server.h",            '#include "host/resources/all.h"\n', False),
    ("host/api/side.c",              '#include "host/rpc/server.h"\n', True),
    ("host/rpc/side.c",              '#include "host/api/server.h"\n', True),
    ("host/store/main.c",            '#include "host/config.h"\n', True),
    ("host/main.c",                  '#include "host/api/server.h"\n#include "host/config.h"\n', False),
    ("host/plugin.c",                '#include "plugins/rsync/wave.h"\n', True),
    ("plugins/dtc/ok.c",             '#include <emco/plugin.h>\n#include "plugins/dtc/rule.h"\n#include "near.h"\n', False),
    ("plugins/dtc/near.h",           '#include <stdint.h>\n', False),
    ("plugins/dtc/base.c",           '#include "lib/base/ok.h"\n', True),
    ("plugins/dtc/host.c",           '#include "host/registry/call.h"\n', True),
    ("plugins/dtc/other.c",          '#include "plugins/rsync/wave.h"\n', True),
    ("plugins/rsync/ok.c",           '#include "lib/kube/client.h"\n#include <emco/units.h>\n', False),
    ("plugins/rsync/host.c",         '#include "host/store/unit.h"\n', True),
    ("sdk/include/emco/ok.h",        '#include <stdint.h>\n#include "emco/types.h"\n#include "types.h"\n', False),
    ("sdk/include/emco/types.h",     '', False),
    ("sdk/include/emco/posix.h",     '#include <unistd.h>\n', True),
    ("sdk/include/emco/foreign.h",   '#include <jansson.h>\n', True),
    ("sdk/include/emco/lib.h",       '#include "lib/base/ok.h"\n', True),
    ("sdk/testing/ok.c",             '#include <emco/plugin.h>\n#include <cmocka.h>\n', False),
    ("sdk/testing/lib.c",            '#include "lib/base/ok.h"\n', True),
    ("cli/ok.c",                     '#include "lib/base/ok.h"\n#include "cli/args.h"\n', False),
    ("cli/host.c",                   '#include "host/store/db.h"\n', True),
    ("lib/base/long.c",              "\n" * (WARN_LINES + 1), False),
    ("lib/base/longest.c",           "\n" * MAX_LINES, False),
    ("lib/base/too_long.c",          "\n" * (MAX_LINES + 1), True),
]


def self_check():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text, _ in CASES:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        faults, warnings, _ = check_tree(root)
    refused = {re.split(r"[:]", fault)[0] for fault in faults}
    wrong = [path for path, _, bad in CASES if (path in refused) != bad]
    if [warning.split(":")[0] for warning in warnings] != ["lib/base/long.c", "lib/base/longest.c"]:
        wrong.append("the warnings for long files")
    for path in wrong:
        print(f"{path}: judged wrongly")
    print(f"{len(CASES)} cases, {len(wrong)} judged wrongly")
    return 1 if wrong else 0


def main(argv):
    if argv[1:] == ["--self-check"]:
        return self_check()
    if len(argv) != 2:
        sys.exit(__doc__)
    faults, warnings, count = check_tree(pathlib.Path(argv[1]))
    for warning in warnings:
        print(f"warning: {warning}")
    for fault in faults:
        print(fault)
    print(f"{count} files, {len(faults)} faults")
    return 1 if faults or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
