"""The pytest plugin: the fixture ``standin``."""

from __future__ import annotations

import os
from typing import Any, Dict, Generator, List, Optional, Tuple

import pytest

from ._environment import Environment, Settings, _settings
from ._errors import StandinError

#: The scopes that a marker can name, with the nodes whose end takes the environment down.
SCOPES = ("function", "class", "module", "package", "session")

_Key = Tuple[str, Tuple[str, ...], int]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("standin")
    group.addoption(
        "--standin-command",
        metavar="PATH",
        help="the command `standin`; by default the one that STANDIN_COMMAND names, or that was "
        "installed with the plugin, or that of PATH",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "standin(file, *, settings={}, scope='function'): the environment of the fixture "
        "`standin`: a file beside the test, options that replace those of the file, and for how "
        "long it is up: function, class, module, package or session",
    )
    config.pluginmanager.register(_Environments(), "standin-environments")


class _MarkerError(Exception):
    """A marker, or the lack of one, names no environment."""


class _Environments:
    """The environments that are up."""

    def __init__(self) -> None:
        self.up: Dict[_Key, Environment] = {}
        #: Those that a test which has failed has used.
        self.failed: List[Environment] = []

    def of(self, item: pytest.Item) -> Environment:
        """The environment of a test, brought up unless it is."""
        __tracebackhide__ = True
        file, settings, scope = _declared(item)
        node = _node(item, scope)
        key = (file, tuple(_settings(settings)), id(node))
        env = self.up.get(key)
        if env is None:
            command = item.config.getoption("--standin-command")
            env = Environment(file, settings=settings, command=command)
            used(item).append(env)
            try:
                env.start()
            except BaseException:
                env.close()
                raise
            self.up[key] = env
            node.addfinalizer(lambda: self.take_down(key))
        else:
            used(item).append(env)
        return env

    def take_down(self, key: _Key) -> None:
        __tracebackhide__ = True
        env = self.up.pop(key, None)
        if env is None:
            return
        has_failed = any(env is failed for failed in self.failed)
        try:
            env.stop(failed=has_failed)
            report = None
        except StandinError as error:
            # What failed before explains what is missing at the end.
            report = None if has_failed else str(error)
        finally:
            env.close()
        if report is not None:
            pytest.fail(report, pytrace=False)

    def pytest_unconfigure(self) -> None:
        for env in list(self.up.values()):
            env.close()
        self.up.clear()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: "pytest.CallInfo[None]"
    ) -> Generator[None, Any, None]:
        outcome = yield
        report = outcome.get_result()
        if not report.failed:
            return
        for env in used(item):
            self.failed.append(env)
            report.sections.extend(_sections(env))


_USED = "_standin_environments"


def used(item: pytest.Item) -> List[Environment]:
    """The environments that a test has used."""
    found: Optional[List[Environment]] = getattr(item, _USED, None)
    if found is None:
        found = []
        setattr(item, _USED, found)
    return found


@pytest.fixture
def standin(request: pytest.FixtureRequest) -> Environment:
    """The environment of the test, up: from the file that its marker ``standin`` names, or else
    from ``<test file>.toml`` or ``standin.toml`` beside the test."""
    environments = request.config.pluginmanager.get_plugin("standin-environments")
    assert isinstance(environments, _Environments)
    try:
        return environments.of(request.node)
    except (StandinError, _MarkerError) as error:
        report = str(error)
    # The report is all that there is to see: neither where the plugin was, nor, as within the
    # `except`, the same error once more.
    pytest.fail(report, pytrace=False)


def _declared(item: pytest.Item) -> Tuple[str, Settings, str]:
    """File, settings and scope: of the nearest markers that name them."""
    file: Optional[str] = None
    settings: Optional[Settings] = None
    scope: Optional[str] = None
    for marker in item.iter_markers("standin"):
        unknown = set(marker.kwargs) - {"file", "settings", "scope"}
        if unknown or len(marker.args) > 1:
            raise _MarkerError(
                f"{item.nodeid}: the marker is standin(file, settings={{}}, scope='function'), and "
                f"not standin({', '.join([*map(repr, marker.args), *sorted(unknown)])})"
            )
        named = marker.args[0] if marker.args else marker.kwargs.get("file")
        file = file if file is not None else named
        settings = settings if settings is not None else marker.kwargs.get("settings")
        scope = scope if scope is not None else marker.kwargs.get("scope")
    scope = scope if scope is not None else "function"
    if scope not in SCOPES:
        raise _MarkerError(
            f"{item.nodeid}: the marker standin has the scope {scope!r}, which is not one of "
            f"{', '.join(SCOPES)}"
        )
    test_file = str(getattr(item, "path", None) or item.fspath)
    folder = os.path.dirname(test_file)
    if file is not None:
        path = os.path.join(folder, os.fspath(file))
        if not os.path.isfile(path):
            raise _MarkerError(f"{item.nodeid}: environment file {path} not found")
    else:
        stem = os.path.splitext(os.path.basename(test_file))[0]
        candidates = [os.path.join(folder, name) for name in (f"{stem}.toml", "standin.toml")]
        path = next((path for path in candidates if os.path.isfile(path)), "")
        if not path:
            raise _MarkerError(
                f"{item.nodeid}: no environment file found: neither {candidates[0]} nor "
                f"{candidates[1]}; the marker standin(file) can name another one"
            )
    return path, settings if settings is not None else (), scope


def _node(item: pytest.Item, scope: str) -> Any:
    """What the environment is taken down with."""
    kinds: Dict[str, Any] = {
        "class": pytest.Class,
        "module": pytest.Module,
        "package": pytest.Package,
        "session": pytest.Session,
    }
    kind = kinds.get(scope)
    found = None if kind is None else item.getparent(kind)
    if found is not None:
        return found
    # A test outside of a class or package has its module for that.
    module = item.getparent(pytest.Module) if kind is not None else None
    return module if module is not None else item


def _sections(env: Environment) -> List[Tuple[str, str]]:
    """What is known of an environment, for the report of a test that has failed."""
    sections = []
    try:
        transcript = env.transcript().rstrip()
        if transcript and not transcript.startswith("nothing was recorded"):
            sections.append((f"standin: what was recorded of {env.name!r}", transcript))
        if env.service.is_running:
            for driver in env.drivers:
                lines = driver.fetch_error_log()
                if lines:
                    title = f"standin: what {driver.name!r} has written"
                    sections.append((title, "\n".join(lines)))
            env.note_failure()
            files = env.files_of_failure()
            if files:
                sections.append((f"standin: files of {env.name!r}", files))
    except StandinError as error:
        sections.append((f"standin: {env.name!r} does not answer", str(error)))
    return sections
