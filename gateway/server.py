"""Running the application: two listeners in one process, the callers' and the admin's."""

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import Iterator

import uvicorn

from gateway import logs
from gateway.app import Gateway, admin_app
from gateway.settings import Settings
from gateway.web.access import AccessLog
from gateway.web.calls import StreamBroken


class _Main(uvicorn.Server):
    """The callers' server."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._say_where()
        # What exists by now lives as long as the process. Looking through it again and again for garbage was a tenth
        # of the time of a call; calls leave few cycles.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)

    def _say_where(self) -> None:
        """One line for whoever started it: where it listens, and by which rules."""
        bound = [place.getsockname()[:2] for server in self.servers for place in server.sockets]
        rules = self._gateway.rules_in_words()
        print(
            f"whyledger: listening on {', '.join(f'http://{host}:{port}' for host, port in bound)}; {rules}", flush=True
        )


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the main one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Expected(logging.Filter):
    """What is no error of the server is one line, without a traceback: a stream ended on purpose without a clean end.
    A start or an end that failed is told by the command line or the application; the server would quote its text."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway

    def filter(self, record: logging.LogRecord) -> bool:
        if self._gateway.refused or self._gateway.failed:
            return False
        broken = record.exc_info[1] if record.exc_info else None
        if isinstance(broken, StreamBroken):
            record.msg, record.args, record.exc_info = f"a stream was ended without a clean end: {broken}", (), None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def _line(text: str) -> None:
    print(text, flush=True)


def run(settings: Settings, *, host: str, port: int, admin_port: int, access_log: bool = False) -> None:
    """Serve until a signal ends it; with `access_log` each request is a line on stdout.

    Raises:
        LedgerError: the ledger refuses to be served; nothing was written.
    """
    logs.set_up()
    gateway = Gateway(settings)
    logging.getLogger("uvicorn.error").addFilter(_Expected(gateway))
    common = {
        "log_level": "warning", "log_config": None, "access_log": False, "server_header": False,
        "proxy_headers": bool(settings.trusted_proxies), "forwarded_allow_ips": settings.trusted_proxies,
    }  # fmt: skip
    app = AccessLog(gateway, _line) if access_log else gateway
    main = _Main(
        uvicorn.Config(
            app, host=host, port=port, lifespan="on", timeout_keep_alive=settings.keep_alive,
            timeout_graceful_shutdown=settings.drain, **common,  # type: ignore[arg-type]
        ),
        gateway,
    )  # fmt: skip
    admin = _Quiet(
        uvicorn.Config(admin_app(gateway), host=settings.admin_host, port=admin_port, lifespan="off", **common)  # type: ignore[arg-type]
    )
    gateway.halt = lambda: setattr(main, "should_exit", True)
    with asyncio.Runner(loop_factory=main.config.get_loop_factory()) as runner:
        runner.get_loop().set_exception_handler(logs.of_loop)
        try:
            runner.run(_both(main, admin))
        except SystemExit:
            if gateway.refused:
                raise gateway.refused from None
            raise
    if gateway.lease_lost:
        raise SystemExit(1)  # whoever restarts what fails starts it again


async def _both(main: uvicorn.Server, admin: uvicorn.Server) -> None:
    side = asyncio.ensure_future(admin.serve())
    try:
        await main.serve()
    finally:
        admin.should_exit = True
        await side
