"""The plugin with a real pytest, as a project has it."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import standin

ENVIRONMENT = """
name = "greeting"

[[driver]]
type = "tcp-server"
name = "server"
host = "127.0.0.1"

[[driver]]
type = "tcp-client"
name = "client"
host = { driver = "server", value = "{{ host }}" }
port = { driver = "server", value = "{{ port }}" }
"""

PROGRAM = """
name = "program"

[[driver]]
type = "process"
name = "sleeper"
binary = "sleep"
args = ["600"]
"""

GREETS = """
def test_greets(standin):
    connection = standin.server.accept_connection(timeout=10)
    standin["client"].send_text("hello")
    assert standin.server.receive_text(5) == "hello"
    assert connection.send(b"bye") == 3
    assert standin.client.receive(3) == b"bye"
"""

#: After which a test that waits for something fails, in seconds.
HANG = 60


@pytest.fixture
def project(pytester):
    """A project with an environment file beside its tests."""
    (pytester.path / "standin.toml").write_text(ENVIRONMENT)
    return pytester


def is_up(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(is_met):
    until = time.monotonic() + HANG
    while not is_met():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.02)


def test_a_test_talks_through_the_environment_beside_it(project):
    project.makepyfile(GREETS)
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_file_of_the_test_s_name_comes_first(project):
    project.makepyfile("def test_name(standin): assert standin.name == 'mine'")
    name = "test_the_file_of_the_test_s_name_comes_first.toml"
    (project.path / name).write_text("name = 'mine'")
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_failure_is_the_report_with_what_was_recorded(project):
    project.makepyfile(
        """
        def test_waits(standin):
            connection = standin.server.accept_connection()
            standin.client.send_text("hell")
            connection.expect_text("hello", timeout=0.1)
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '*connection.expect_text("hello", timeout=0.1)',
            "E *server*timed out*received 4 bytes*",
            "E *code: standin::socket::receive_timed_out",
            "*standin: what was recorded of 'greeting'*",
            '*-> 4 B  "hell"*',
        ]
    )
    # The lines of the plugin are of no use to the reader.
    result.stdout.no_fnmatch_line("*_drivers.py*")
    result.stdout.no_fnmatch_line("*_service.py*")


def test_the_output_of_programs_is_in_the_report(pytester):
    (pytester.path / "standin.toml").write_text(
        PROGRAM.replace('"sleep"', '"sh"').replace('["600"]', '["-c", "echo started; sleep 600"]')
        + "ready = [{ log = 'started' }]\n"
    )
    pytester.makepyfile("def test_fails(standin): assert standin.sleeper.status == 'x'")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*standin: what 'sleeper' has written*", "*started*"])


def test_errors_are_exceptions_of_their_kinds(project):
    project.makepyfile(
        """
        import pytest
        import standin as standin_

        def test_kinds(standin):
            with pytest.raises(standin_.TimedOut) as failed:
                standin.client.receive_line(timeout=0)
            assert isinstance(failed.value, TimeoutError)
            assert failed.value.code == "standin::socket::receive_timed_out"
            assert failed.value.help and failed.value.transcript
            connection = standin.server.accept_connection()
            connection.close()
            with pytest.raises(standin_.PeerClosed):
                standin.client.receive_line()
            assert standin.client.receive() == b""
            with pytest.raises(standin_.StandinError, match="open are|none is open"):
                standin.server.connection(0)
            with pytest.raises(KeyError, match="it has \\"server\\", \\"client\\""):
                standin["sever"]
            with pytest.raises(AttributeError, match="drivers: server, client"):
                standin.sever
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_ways_to_receive(project):
    project.makepyfile(
        """
        def test_ways(standin):
            here, there = standin.server.accept_connection(), standin.client
            there.send(b"one;two\\r\\n")
            assert here.receive_until(b";") == b"one;"
            assert here.receive_line_text() == "two"
            there.send_text("\\u00e9", encoding="latin-1")
            assert here.receive_exactly(1) == b"\\xe9"
            there.send_frame(b"framed", {"length_prefix": {"width": 2}})
            assert here.receive_frame({"length_prefix": {"width": 2}}) == b"framed"
            there.send_frame(b"a", {"delimiter": b"|"})
            assert here.receive_until_text("|") == "a|"
            there.send_in_pieces(b"slow", 2, 0.001)
            assert here.receive_until_silence(0.1) == b"slow"
            assert here.receive_buffered() == b""
            here.send_text("x")
            assert there.receive_some_text() == "x"
            there.shutdown_write()
            assert here.receive_to_end() == b""
            assert here.peer_has_ended and here.is_open
            assert there.connection().index == 0
            there.reconnect()
            assert standin.server.accept_connection().index == 1
            assert standin.variables["DRIVER_SERVER_ATTR_PORT"] == str(standin.server.port)
            assert standin.connections and standin.capture()
            assert "one;two" in standin.transcript()
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_both_ends_begin_tls_in_the_middle(project):
    project.makepyfile(
        """
        def test_tls(standin):
            here, there = standin.server.accept_connection(), standin.client
            there.send_text("STARTTLS\\n")
            assert here.receive_line_text() == "STARTTLS"
            here.start_tls()
            there.start_tls()
            there.send_text("secured\\n")
            assert here.receive_line_text() == "secured"
            assert there.tls()["version"] == "TLS 1.3"
            assert "127.0.0.1" in there.tls()["peer_certificate"]
            assert here.tls()["peer_certificate"] is None
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_conversation_is_taken_into_the_hands_of_the_test(pytester):
    (pytester.path / "standin.toml").write_text(
        """
name = "bank"

[[driver]]
type = "tcp-server"
name = "bank"
host = "127.0.0.1"
framing = "lines"

[[driver.on]]
match = '^PAY (?<amount>[0-9]+)$'
name = "pay"
then = { hold = "payment" }
"""
    )
    pytester.makepyfile(
        """
        import socket

        def test_pays(standin):
            with socket.create_connection(standin.bank.address) as program:
                program.sendall(b"PAY 42\\n")
                held = standin.bank.held("payment")
                assert (held.frame, held.capture("amount")) == (b"PAY 42", b"42")
                held.send_text("paid\\n")
                held.hand_back()
                assert program.recv(5) == b"paid\\n"
                standin.bank.wait_until(rule="pay")
                assert standin.bank.ledger("pay")["matched"] == {"pay": 1}
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_what_was_expected_and_did_not_come_fails_the_test(pytester):
    (pytester.path / "standin.toml").write_text(
        """
name = "bank"

[[driver]]
type = "tcp-server"
name = "bank"
framing = "lines"

[[driver.on]]
equals = "PAY"
reply = "paid"
times = 1
"""
    )
    pytester.makepyfile("def test_pays(standin): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*must match*and never did*"])


@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_an_environment_is_up_for_a_scope(project, scope):
    project.makepyfile(
        f"""
        import pytest

        pids = set()

        @pytest.mark.standin(scope={scope!r})
        class TestTwice:
            def test_first(self, standin):
                pids.add(standin.service.pid)

            def test_second(self, standin):
                pids.add(standin.service.pid)
                assert len(pids) == 1

        def test_other(standin):
            assert standin.service.pid not in pids
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=3)


def test_markers_name_files_and_settings(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.standin("others.toml", settings={"server.host": "127.0.0.1", "timeout": 5})
        def test_other(standin):
            assert list(standin) == ["server"] and standin.server.host == "127.0.0.1"
        """
    )
    (project.path / "others.toml").write_text(
        "name = 'others'\n[[driver]]\ntype = 'tcp-server'\nname = 'server'\n"
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "marker, message",
    [
        ("'there-is-none.toml'", "environment file *there-is-none.toml not found"),
        ("scope='week'", "the scope 'week', which is not one of function, class, module*"),
        ("fiel='x.toml'", "the marker is standin(file, settings={}, scope='function')*"),
        ("settings={'sever.port': 1}", "*there is no driver \"sever\"*"),
        ("settings={'server.port': 'x y'}", "*x y*"),
    ],
)
def test_a_wrong_marker_says_so(project, marker, message):
    project.makepyfile(
        f"""
        import pytest

        @pytest.mark.standin({marker})
        def test_wrong(standin):
            pass
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{message}"])


def test_a_file_with_mistakes_shows_all_of_them(project):
    (project.path / "standin.toml").write_text(
        "nmae = 'x'\n[[driver]]\ntype = 'tcp-sever'\nname = 'a'\n"
    )
    project.makepyfile("def test_x(standin): pass")
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*standin.toml: 2 mistakes", "*1:1 *\"nmae\"", "*did you mean \"tcp-server\"?"])


def test_no_file_says_where_it_was_looked_for(pytester):
    pytester.makepyfile("def test_x(standin): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no environment file found: neither */test_no_file*.toml nor *"])


def test_a_start_that_fails_says_who_failed(pytester):
    text = PROGRAM.replace('"sleep"', '"there-is-no-such-program"')
    (pytester.path / "standin.toml").write_text(text)
    pytester.makepyfile("def test_x(standin): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*sleeper*there-is-no-such-program*"])
    # Once.
    result.stdout.no_fnmatch_line("*During handling*")
    result.stdout.no_fnmatch_line("*traceback entries are hidden*")
    result.stdout.no_fnmatch_line("*plugin.py*")
    result.stdout.no_fnmatch_line("*nothing was recorded*")


def test_a_command_that_is_not_there_says_so(project):
    project.makepyfile(GREETS)
    result = project.runpytest_subprocess("--standin-command=/there/is/no/standin")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cannot start `/there/is/no/standin serve --stdio`*"])


@pytest.mark.parametrize(
    "script, message",
    [
        ("echo usage", "*does not serve: it said 'usage' instead of a greeting*"),
        ("exit 3", "*does not serve: it said nothing instead of a greeting*"),
        (
            'echo \'{"event": "hello", "protocol": 99, "version": "9.0"}\'; cat >/dev/null',
            "*of version 9.0 speaks version 99 of the protocol, and this package version 1*",
        ),
        (
            'echo \'{"event": "hello", "protocol": 1, "version": "9.0"}\'; exit 7',
            "*cannot ask for `load`: the command `standin` has ended with exit code 7*",
        ),
        (
            'echo \'{"event": "hello", "protocol": 1, "version": "9.0"}\'; echo "{"; exit 7',
            "*cannot ask for `load`: the command `standin` has ended*",
        ),
    ],
)
def test_a_command_that_is_another_one_says_so(project, script, message):
    other = project.path / "other"
    other.write_text(f"#!/bin/sh\n{script}\n")
    other.chmod(0o755)
    project.makepyfile(GREETS)
    result = project.runpytest_subprocess(f"--standin-command={other}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_a_command_that_is_killed_fails_the_test_and_not_the_next_one(project):
    project.makepyfile(
        """
        import os
        import signal

        def test_killed(standin):
            os.kill(standin.service.pid, signal.SIGKILL)
            standin.server.accept_connection()

        def test_next(standin):
            standin.server.accept_connection()
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["E *the command `standin` has ended with exit code -9*"])


def test_nothing_is_left_after_the_first_failure(pytester):
    (pytester.path / "standin.toml").write_text(PROGRAM)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.standin(scope="session")
        def test_fails(standin):
            open("pids", "w").write(f"{standin.service.pid} {standin.sleeper.context['pid']}")
            assert False

        def test_never():
            pass
        """
    )
    pytester.runpytest_subprocess("-x").assert_outcomes(failed=1)
    for pid in (pytester.path / "pids").read_text().split():
        assert not is_up(pid)


def started(pytester, test, *arguments):
    """A pytest under way, whose test has a program up and waits."""
    (pytester.path / "standin.toml").write_text(PROGRAM + SERVER)
    pytester.makepyfile(textwrap.dedent(test))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Whoever runs these tests in the background ignores it, and so would Python.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pids = pytester.path / "pids"
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    return process, pids.read_text().split()


SERVER = """
[[driver]]
type = "tcp-server"
name = "server"
host = "127.0.0.1"
"""

WAITS = """
    def test_waits(standin):
        open("pids", "w").write(f"{standin.service.pid} {standin.sleeper.context['pid']}")
        standin.server.accept_connection(timeout=None)
"""


def test_ctrl_c_ends_a_wait_and_everything(pytester):
    process, pids = started(pytester, WAITS)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=HANG)
    assert process.returncode == 2, output.decode()
    assert b"KeyboardInterrupt" in output
    assert not any(is_up(pid) for pid in pids)


def test_a_pytest_that_is_killed_leaves_nothing(pytester):
    process, pids = started(pytester, WAITS)
    process.kill()
    process.communicate(timeout=HANG)
    wait_until(lambda: not any(is_up(pid) for pid in pids))


def test_a_killed_pytest_leaves_nothing_also_when_a_child_of_it_lives_on(pytester):
    forks = WAITS.replace(
        "        standin.server",
        "        import os, time\n"
        "        if os.fork() == 0:\n"
        "            os.close(1), os.close(2)\n"
        "            time.sleep(600)\n"
        "        standin.server",
    )
    process, pids = started(pytester, forks, "--capture=no")
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    wait_until(lambda: len(open(children).read().split()) == 2)
    (child,) = [pid for pid in open(children).read().split() if pid not in pids]
    process.kill()
    process.wait(timeout=HANG)
    try:
        wait_until(lambda: not any(is_up(pid) for pid in pids))
        assert is_up(child)
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_threads_ask_at_the_same_time(tmp_path):
    import threading

    with standin.load(text=ENVIRONMENT, settings={"client.connect_at_start": False}) as env:
        accepted = []

        def accept():
            accepted.append(env.server.accept_connection(timeout=HANG))

        threads = [threading.Thread(target=accept) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in threads:
            socket.create_connection(env.server.address).close()
        for thread in threads:
            thread.join(HANG)
        assert sorted(connection.index for connection in accepted) == [0, 1, 2, 3]


def test_a_with_stops_and_the_error_of_the_test_comes_first():
    with pytest.raises(ZeroDivisionError):
        with standin.load(text=ENVIRONMENT) as env:
            pid = env.service.pid
            1 / 0
    assert not is_up(pid)
    assert "connected" in env.transcript()


def test_the_files_of_a_failed_test_stay():
    text = PROGRAM.replace('"sleep"', '"sh"').replace('["600"]', '["-c", "echo up; sleep 600"]')
    text += "ready = [{ log = 'up' }]\n"
    with pytest.raises(ZeroDivisionError):
        with standin.load(text=text) as env:
            out = env.sleeper.outpath
            1 / 0
    assert env.files is not None and Path(out).is_relative_to(env.files)
    assert Path(out).read_text() == "up\n"
    with standin.load(text=text) as env:
        runpath = env.runpath
    assert env.files is None and not os.path.exists(runpath)


def test_an_environment_that_nobody_uses_any_more_ends():
    env = standin.load(text=PROGRAM)
    env.start()
    pids = [env.service.pid, env.sleeper.context["pid"]]
    assert all(is_up(pid) for pid in pids)
    del env
    wait_until(lambda: not any(is_up(pid) for pid in pids))


PROXIED = """
name = "shop"

[[driver]]
type = "tcp-server"
name = "bank"
host = "127.0.0.1"

[[driver]]
type = "tcp-proxy"
name = "wan"
host = "127.0.0.1"
framing = "lines"
to = { driver = "bank", value = "{{ host }}:{{ port }}" }

[[driver]]
type = "tcp-client"
name = "program"
host = "127.0.0.1"
port = { driver = "wan", value = "{{ port }}" }
"""


def test_faults_come_and_go_while_the_test_runs():
    with standin.load(text=PROXIED) as env:
        wan = env.wan
        assert isinstance(wan, standin.TcpProxy) and wan.address == (wan.host, wan.port)
        peer = env.bank.accept_connection()
        fault = wan.inject("silence", after_bytes=2)
        assert fault.count == 0 and fault.description in repr(fault)
        env.program.send_text("hello\n")
        fault.wait()
        assert fault.count == 1
        assert peer.receive_exactly_text(2) == "he"
        wan.heal()
        assert peer.receive_line_text() == "llo"
        wan.partition()
        peer.send_text("late\n")
        with pytest.raises(standin.TimedOut):
            env.program.receive_line(timeout=0.05)
        wan.heal()
        assert env.program.receive_line() == b"late"
        wan.set_link("up", latency=0.001, slice=2)
        wan.set_link("down", [{"latency": "1ms"}, {"connection": 1}])
        wan.set_link("down")
        wan.pause("up", 0.01)
        wan.inject("corrupt", at_byte=6, optional=True).withdraw()
        env.program.send_text("again\n")
        assert peer.receive_line_text() == "again"
        with pytest.raises(standin.StandinError, match="latncy"):
            wan.set_link("up", latncy=1)
        with pytest.raises(standin.TimedOut, match="has not happened"):
            wan.inject("drop", match="^COMMIT", optional=True).wait(timeout=0)
        with pytest.raises(standin.TimedOut, match="1 connection open"):
            wan.wait_until_open(0, timeout=0)
        wan.cut()
        wan.wait_until_open(0)
        wan.refuse()
        with pytest.raises(standin.StandinError):
            env.program.connect()
        wan.come_back()
        env.program.connect()
        env.bank.accept_connection()
        assert wan.traffic["connections"] == 2 and wan.traffic["up"] == 12
        wan.clear()


def test_a_fault_that_never_happens_fails_the_test():
    with pytest.raises(standin.Unmet, match="reset down after 9 bytes"):
        with standin.load(text=PROXIED) as env:
            env.wan.inject("reset", direction="down", after_bytes=9)


def test_transcripts_show_the_lines_of_the_test(project):
    project.makepyfile(
        test_places="""
        def talks(connection):
            connection.send_text("hello")

        def test_places(standin):
            connection = standin.server.accept_connection()
            talks(connection)
            standin.client.expect_text("hello")
            connection.close()
            lines = standin.transcript().splitlines()
            for said, place in [
                ("accepted", 5), ("-> 5 B", 2), ("<- 5 B", 7), ("closed", 8),
            ]:
                (line,) = [line for line in lines if said in line]
                assert line.endswith(f"  test_places.py:{place}"), lines
            assert b"test_places.py:2" in standin.capture()
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_failure_names_the_files_that_explain_it(project, monkeypatch):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.standin(scope="module")
        class Test:
            def test_one(self, standin):
                standin.server.accept_connection()
                assert False

            def test_two(self, standin):
                standin.client.send_text("second")
                assert False
        """
    )
    folder = project.path / "artifacts"
    monkeypatch.setenv("STANDIN_ARTIFACTS", str(folder))
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=2)
    pages = list(folder.glob("**/report.html"))
    assert len(pages) == 1
    named = [line for line in result.outlines if line.startswith("page:")]
    assert [line.split()[1] for line in named] == [str(pages[0])] * 2
    # The stop has written it once more, with what the second test has recorded.
    assert "second" in pages[0].read_text()
    result.stdout.fnmatch_lines(["capture:*/capture.pcapng", "files of drivers:*"])


def test_a_with_that_fails_names_them_too(pytester, monkeypatch):
    pytester.makepyfile(
        f"""
        import standin

        def test_fails():
            with standin.load(text={ENVIRONMENT!r}):
                assert False
        """
    )
    monkeypatch.setenv("STANDIN_ARTIFACTS", str(pytester.path / "artifacts"))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Captured stderr call*", "page:*/report.html"])


def test_settings_are_values_of_python():
    rules = [{"equals": "PING", "reply": "PONG\n", "times": 1}]
    settings = {"server.framing": "lines", "server.on": rules, "client.connect_at_start": True}
    with standin.load(text=ENVIRONMENT, settings=settings) as env:
        env.client.send_text("PING\n")
        assert env.client.receive_line() == b"PONG"
