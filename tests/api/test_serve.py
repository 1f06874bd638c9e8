"""scripts/serve: a complete server, until Ctrl-C, which whoever has it in his terminal sends to all of it."""
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import STAGE, free_port, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_of_it_ends_the_server_as_one_to_the_script_does(tmp_path, number):
    environment = os.environ | {"EMCO_PORT": str(free_port()), "EMCO_DATA": str(tmp_path / "data"),
                                "EMCO_DAEMON": str(pathlib.Path(STAGE).parent / "host" / "emcod")}
    log = tmp_path / "log"
    with open(log, "w") as output:
        serve = subprocess.Popen([ROOT / "scripts" / "serve"], env=environment, start_new_session=True, stdout=output, stderr=output,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        wait_for(lambda: "ready http" in log.read_text() or serve.poll() is not None, 60, "the server")
        os.killpg(serve.pid, number)
        assert serve.wait(60) == 0, log.read_text()
    finally:
        if serve.poll() is None:
            serve.terminate()
            serve.wait(60)
    said = log.read_text()
    assert "server.stopping" in said and "server.stopped" in said, said
    assert "somebody else" not in said and "killing it" not in said, said
    assert not list((tmp_path / "data").glob("postgres/cluster/data/postmaster.pid"))
