"""Where a search is kept: an SQLite file or a PostgreSQL server, by a URL whose password nobody gets to see."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from filelock import FileLock

from qllmft.errors import UserError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import URL

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_SQLITE_WAITS_S = 60.0  # for another process's transaction
_SERVER_WAITS_S = 10  # for a connection


class Storage:
    """The address of a search's data base, ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``."""

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)

    @classmethod
    def in_folder(cls, folder: Path) -> Storage:
        """The SQLite file of a sweep's folder."""
        return cls(f"sqlite:///{(folder / 'study.db').resolve()}")

    def __str__(self) -> str:
        """The URL with three stars for the password."""
        hidden = {key: "***" for key in self._url.query if "password" in key.lower()}
        return self._url.update_query_dict(hidden).render_as_string(hide_password=True)

    __repr__ = __str__

    @property
    def is_local(self) -> bool:
        """Whether it is a file of this machine."""
        return self._url.get_backend_name() == "sqlite"

    def open(self, grace_s: int) -> RDBStorage:
        """Connect; trials not heard of for ``grace_s`` seconds are abandoned; UserError where it fails."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        options: dict[str, object] = {"pool_pre_ping": True, "connect_args": {"connect_timeout": _SERVER_WAITS_S}}
        alone: AbstractContextManager[object] = nullcontext()
        if self.is_local:
            options = {"connect_args": {"timeout": _SQLITE_WAITS_S}}
            file = Path(str(self._url.database))
            file.parent.mkdir(parents=True, exist_ok=True)
            alone = FileLock(f"{file}.lock")  # two processes that make the same tables
        # for good, not around each call: several threads work on a search, and contexts of warnings are not for threads
        warnings.filterwarnings(
            "ignore", ".*(heartbeat_interval|fail_stale_trials)", optuna.exceptions.ExperimentalWarning
        )
        with self.explained(), alone:
            opened = optuna.storages.RDBStorage(
                self._url.render_as_string(hide_password=False),
                engine_kwargs=options,
                heartbeat_interval=max(1, grace_s // 4),
                grace_period=grace_s,
            )
        if self.is_local:
            _one_transaction_at_a_time(opened)
        return opened

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Errors of the data base as `UserError`, without the password."""
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            if type(error) is RuntimeError and "optuna" not in str(error):
                raise
            cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
            words = self._without_password(str(getattr(cause, "orig", None) or cause)).strip().splitlines()
            raise UserError(
                f"the search's storage {self} cannot be used: {'; '.join(line.strip() for line in words)}. Check that "
                "the server runs and that address, user and password are right; finished trials are kept, and the same "
                "command goes on."
            ) from None

    def _without_password(self, text: str) -> str:
        secrets = [self._url.password, *(v for k, v in self._url.query.items() if "password" in k.lower())]
        for secret in secrets:
            if isinstance(secret, str) and secret:
                for form in (secret, quote(secret, safe=""), quote(secret, safe=" +"), quote_plus(secret)):
                    text = text.replace(form, "***")
        return text


def _one_transaction_at_a_time(opened: RDBStorage) -> None:
    """Let an SQLite transaction lock the file from its first statement.

    Optuna takes a trial by reading its state for update and writing another. SQLite knows no "for update": without the
    lock two workers can both read "waiting", and both take the trial.
    """
    from sqlalchemy import event

    opened.engine.dispose()  # connections that were made before

    def manual(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins no transaction of its own

    event.listen(opened.engine, "connect", manual)
    event.listen(opened.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))


def of_the_extra(package: str, need: str) -> Any:
    """A package of the extra ``sweep``; where it is not installed, the UserError begins with ``need``."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(f"{need}, which is not installed ({error.name}): pip install 'qllmft[sweep]'.") from None


def _parsed(url: str) -> URL:
    of_the_extra("optuna", "sweeps need optuna")
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    expected = "expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    # nothing of it is repeated: where it is no URL, nobody knows which part is the password
    fault = UserError(f"--storage is no URL; {expected}, with the password's special characters as %XX (@ is %40).")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise fault from None
    kind = parsed.get_backend_name()
    if kind != "sqlite" and url.count("@") > 1:  # one of them is the password's, or the user's
        raise fault
    if kind not in _DRIVERS:
        raise UserError(f"--storage got a {kind} URL; {expected}.")
    if kind == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise UserError("--storage got an SQLite URL without a file; expected sqlite:///FILE.")
        return parsed.set(database=str(Path(parsed.database).resolve()))
    of_the_extra("psycopg", "PostgreSQL needs psycopg")
    return parsed.set(drivername=_DRIVERS[kind])
