#!/usr/bin/python3
"""Check that every header compiles alone: whoever includes it needs nothing before it.

    check_headers.py ROOT          ours as GNU C11, the published ones as strict C11 and as C++17
    check_headers.py --self-check  prove that each of the three can fail

CC and CXX name the compilers.  Foreign headers are found through C_INCLUDE_PATH and CPLUS_INCLUDE_PATH.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

CC, CXX = os.environ.get("CC", "gcc"), os.environ.get("CXX", "g++")
COMMON = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror"]

GNU_C11 = [CC, "-x", "c", "-std=gnu11", "-D_GNU_SOURCE", "-DEMCO_VERSION=\"0\"", *COMMON]
STRICT_C11 = [CC, "-x", "c", "-std=c11", "-pedantic-errors", *COMMON]
CXX17 = [CXX, "-x", "c++", "-std=c++17", "-pedantic-errors", *COMMON]

OURS = ["lib", "host", "plugins", "cli", "sdk/testing"]


def jobs(root):
    """(header, compiler command) for everything to check."""
    published = root / "sdk/include"
    for folder in OURS:
        for header in sorted((root / folder).rglob("*.h")):
            yield header, [*GNU_C11, f"-I{root}", f"-I{published}"]
    for header in sorted(published.rglob("*.h")):
        yield header, [*STRICT_C11, f"-I{published}"]
        yield header, [*CXX17, f"-I{published}"]


def compile_alone(job):
    header, command = job
    done = subprocess.run([*command, "-include", str(header), "/dev/null"], capture_output=True, text=True, check=False)
    return header, done.returncode, done.stderr


def check_tree(root):
    """Returns (faulty headers with the compiler's words, number of compilations)."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(compile_alone, jobs(root)))
    return [(header, words) for header, code, words in results if code != 0], len(results)


# path, its text, how many of its compilations must fail
CASES = [
    ("lib/ok.h",               "#include <stddef.h>\nsize_t f(void);\n", 0),
    ("lib/needs.h",            "size_t f(void);\n", 1),
    ("sdk/include/ok.h",       "#include <stdint.h>\nstruct s { uint32_t size; };\n", 0),
    ("sdk/include/gnu.h",      "typedef struct { char none[0]; } s;\n", 2),
    ("sdk/include/no_cxx.h",   "struct s { int class; };\n", 1),
    ("sdk/include/no_c.h",     "constexpr int x = 1;\n", 1),
]


def self_check():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text, _ in CASES:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        faults, _ = check_tree(root)
        failed = [header.relative_to(root).as_posix() for header, _ in faults]
    wrong = [path for path, _, count in CASES if failed.count(path) != count]
    for path in wrong:
        print(f"{path}: judged wrongly")
    print(f"{len(CASES)} cases, {len(wrong)} judged wrongly")
    return 1 if wrong else 0


def main(argv):
    if argv[1:] == ["--self-check"]:
        return self_check()
    if len(argv) != 2:
        sys.exit(__doc__)
    faults, count = check_tree(pathlib.Path(argv[1]).resolve())
    for header, words in faults:
        print(f"{header} does not compile alone:\n{words}")
    print(f"{count} compilations, {len(faults)} faults")
    return 1 if faults or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
