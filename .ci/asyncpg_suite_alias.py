"""Answers `import asyncpg` with another driver, as far as asyncpg's tests import it.

`asyncpg` and what it documents are the driver's own modules. `asyncpg.cluster` and
`asyncpg._testbase`, which start servers, are asyncpg's, unchanged. The private names that tests use
stand for the driver's equivalents where it has them; a test that needs another one fails.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

# asyncpg's own, in Python.
FROM_SOURCE = {"asyncpg.cluster", "asyncpg._testbase", "asyncpg._testbase.fuzzer"}
# What the driver calls them.
SAME = {
    "asyncpg.connection": "connection",
    "asyncpg.cursor": "cursor",
    "asyncpg.exceptions": "exceptions",
    "asyncpg.pool": "pool",
    "asyncpg.prepared_stmt": "prepared",
    "asyncpg.transaction": "transaction",
    "asyncpg.types": "types",
}


def driver_module(driver: str, name: str) -> ModuleType:
    """A module of the driver's."""
    return importlib.import_module(f"{driver}.{name}")


def connect_utils(driver: str) -> dict[str, Any]:
    """`asyncpg.connect_utils`: how arguments become addresses and parameters."""
    config, ssl = driver_module(driver, "_config"), driver_module(driver, "_ssl")
    request: bytes = driver_module(driver, "_socket").SSL_REQUEST

    def parse(**options: Any) -> Any:
        """The addresses, and a named tuple."""
        addresses, parameters = config.resolve(config.ConnectOptions(**options))
        if isinstance(parameters.ssl, ssl.TlsSettings):
            # Where asyncpg has a context.
            parameters = parameters._replace(ssl=True)
        return addresses, parameters

    return {
        "SSLMode": ssl.SSLMode,
        "_SSL_REQUEST_CODE": int.from_bytes(request[4:], "big"),
        "_parse_connect_dsn_and_args": parse,
    }


def protocol(driver: str) -> dict[str, Any]:
    """`asyncpg.protocol.protocol`: records from a mapping of names to positions, and values."""
    core = importlib.import_module(f"{driver.partition('.')[0]}._core")

    def create_record(mapping: dict[str, int], elements: Sequence[Any]) -> Any:
        """A record whose descriptor has these names."""
        return core.make_record(list(mapping), list(elements))

    return {"_create_record": create_record}


def server_version(driver: str) -> dict[str, Any]:
    """`asyncpg.serverversion`."""
    parse = driver_module(driver, "_server_version").parse_server_version
    return {"split_server_version_string": parse}


def utils(driver: str) -> dict[str, Any]:
    """`asyncpg.utils`: arguments into the text of a query."""
    mogrify = driver_module(driver, "_mogrify").mogrify
    deadline = driver_module(driver, "_deadline").Deadline

    async def mogrified(connection: Any, query: str, args: Sequence[Any]) -> Any:
        """The text."""
        return await mogrify(connection, query, tuple(args), deadline(None))

    return {"_mogrify": mogrified}


SHIMS = {
    "asyncpg.connect_utils": connect_utils,
    "asyncpg.protocol": lambda _: {},
    "asyncpg.protocol.protocol": protocol,
    "asyncpg.serverversion": server_version,
    "asyncpg.utils": utils,
}


class Protocol:
    """What the tests ask a connection's `_protocol` and `_transport`."""

    def __init__(self, connection: Any) -> None:
        self._core = connection._core
        self._peer = connection._peer
        self.is_ssl = connection._is_tls

    @property
    def queries_count(self) -> int:
        """How many queries were sent; the log-in is none."""
        return int(self._core.queries) - 1

    def is_closed(self) -> bool:
        """Whether the connection is closed."""
        return bool(self._core.is_closed)

    def set_write_buffer_limits(self, _high: int, _low: int) -> None:
        """There are none."""

    def get_extra_info(self, _name: str) -> Any:
        """Where the server is."""
        return self._peer.address


class CachedStatement:
    """What the tests ask a cached statement."""

    def __init__(self, core: Any, name: str) -> None:
        self._core, self._name = core, name

    @property
    def closed(self) -> bool:
        """Whether it is in the cache no more."""
        return all(statement.name != self._name for statement in self._core.statements())


class StatementCache:
    """What the tests ask a connection's cache of statements."""

    def __init__(self, connection: Any) -> None:
        self._core, self._config = connection._core, connection._config

    def __len__(self) -> int:
        return len(self._core.statements())

    def iter_statements(self) -> list[CachedStatement]:
        """All of them."""
        return [CachedStatement(self._core, found.name) for found in self._core.statements()]

    def get_max_size(self) -> int:
        """How many there may be."""
        return int(self._config.statement_cache_size)

    def get_max_lifetime(self) -> float:
        """How old they may be, in seconds."""
        return float(self._config.max_cached_statement_lifetime)


class IdleQueue:
    """What the tests ask a pool's queue."""

    def __init__(self, pool: Any) -> None:
        self.qsize = pool.get_idle_size


def give_private_names(driver: str) -> None:
    """Private names of asyncpg's for which the driver has the same thing elsewhere."""
    connection = driver_module(driver, "connection").Connection
    # Its name stands in messages.
    connection.__module__ = "asyncpg.connection"
    connection._protocol = property(Protocol)
    connection._transport = property(Protocol)
    connection._stmt_cache = property(StatementCache)
    connection._server_caps = SimpleNamespace(sql_copy_from_where=True)
    pool = driver_module(driver, "pool").Pool
    pool._queue = property(IdleQueue)
    pool._maintenance_task = property(lambda pool: pool._upkeep)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of `asyncpg`."""

    def __init__(self, driver: str, source: Path) -> None:
        self._driver, self._source = driver, source

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Where a module is; `None` for what is none of asyncpg's."""
        if fullname in FROM_SOURCE:
            place = self._source.joinpath(*fullname.split("."))
            is_package = place.is_dir()
            file = place / "__init__.py" if is_package else place.with_suffix(".py")
            return importlib.util.spec_from_file_location(
                fullname, file, submodule_search_locations=[str(place)] if is_package else None
            )
        if fullname in SHIMS:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """A module with the equivalents."""
        module = ModuleType(spec.name)
        vars(module).update(SHIMS[spec.name](self._driver))
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to do."""


def as_asyncpg_does(driver: str) -> None:
    """The driver's documented options that give asyncpg's results where ours differ."""
    for name in ("connection", "pool", "_connect"):
        for value in list(vars(driver_module(driver, name)).values()):
            defaults = getattr(value, "__kwdefaults__", None)
            if isinstance(value, FunctionType) and defaults and "json_as_text" in defaults:
                defaults |= {"json_as_text": True, "extensions": False}
    driver_module(driver, "_pool_growth").DEFAULTS.update(json_as_text=True, extensions=False)
    config = driver_module(driver, "_connect_config").ConnectionConfig
    make = config.__new__
    names = config._fields[-len(make.__defaults__) :]
    values = dict(zip(names, make.__defaults__, strict=True))
    make.__defaults__ = tuple((values | {"json_as_text": True, "extensions": False}).values())


def answer_asyncpg(driver: str, source: Path) -> None:
    """From now on `import asyncpg` gives the driver."""
    # A module of this name, or `from asyncpg import cluster` would look for the driver's.
    module = ModuleType("asyncpg")
    vars(module).update(
        {
            name: value
            for name, value in vars(importlib.import_module(driver)).items()
            if not name.startswith("__") or name == "__all__"
        }
    )
    # Loaded when it is first asked for.
    module.Record = importlib.import_module(driver).Record  # type: ignore[attr-defined]
    module.__path__ = []
    as_asyncpg_does(driver)
    give_private_names(driver)
    sys.meta_path.insert(0, Finder(driver, source))
    sys.modules["asyncpg"] = module
    for name, own in SAME.items():
        # As it is, so that its classes are there once.
        sys.modules[name] = driver_module(driver, own)
