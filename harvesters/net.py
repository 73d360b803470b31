"""HTTP connections that go only where they may, and never take longer than they should.

The address is checked where the connection is made, on the very address that is connected to: a name that
resolves differently the second time (DNS rebinding), a decimal IP or a v4 address inside a v6 one gains
nothing. The time limit sits on the socket, since a peer that sends one byte a second passes every limit
that only counts the silence between two bytes.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import Collection
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import PoolManager
from urllib3.util.ssl_ import create_urllib3_context

from ckanext.gkopen.harvesters.errors import AnswerTooLarge, BadAnswer, ForbiddenAddress, SourceUnreachable

CHUNK = 64 * 1024
AUTOMATIC = 32 + zlib.MAX_WBITS
"""zlib looks itself whether gzip's or its own header stands there."""
MEMBER = 0x1F
"""The first byte of a member of gzip."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: str) -> bool:
    """Whether an address (text, with or without a v6 zone) belongs to the public internet.

    A v4 address carried inside a v6 one (mapped, 6to4, NAT64) counts as the v4 address.
    """
    ip: IPAddress = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


class Deadline:
    """A moment after which nothing more is sent or received. Shared by all sockets of one transport."""

    def __init__(self) -> None:
        self._at = 0.0

    def start(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left. Raises TimeoutError when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time limit of the call is over")
        return left


class _Timed:
    """Mixed into socket classes: every wait is cut to what the deadline leaves."""

    deadline: Deadline
    _limit: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._limit = value
        super().settimeout(value)  # pyright: ignore[reportAttributeAccessIssue]

    def _cut(self) -> None:
        left = self.deadline.remaining()
        wait = left if self._limit is None else min(self._limit, left)
        super().settimeout(wait)  # pyright: ignore[reportAttributeAccessIssue]

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self._cut()
        return super().recv_into(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self._cut()
        return super().sendall(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]


class Guard:
    """Decides which addresses a host may have, and connects.

    `allowed_hosts`: `host` or `host:port` (v6 as `[::1]:8080` or `::1`) that may be private.
    """

    def __init__(self, allowed_hosts: Collection[str], deadline: Deadline):
        self._allowed = {entry.strip().lower() for entry in allowed_hosts if entry.strip()}
        self.deadline = deadline
        self._socket_class = type("TimedSocket", (_Timed, socket.socket), {"deadline": deadline})

    def allows(self, host: str, port: int) -> bool:
        host = host.lower().rstrip(".")
        written = f"[{host}]" if ":" in host else host
        return bool(self._allowed & {host, written, f"{written}:{port}"})

    def connect(self, host: str, port: int, timeout: float, connection: HTTPConnection) -> socket.socket:
        """A connected socket. Raises ForbiddenAddress before any packet, or urllib3's connection errors."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as exc:
            reason = exc if isinstance(exc, socket.gaierror) else socket.gaierror(str(exc))
            raise NameResolutionError(host, connection, reason) from exc
        if not self.allows(host, port):
            # One private address among public ones is enough: which one answers is not ours to choose.
            for *_, address in found:
                if not is_public(str(address[0])):
                    raise forbidden(host, port)
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in found:
            sock = self._socket_class(family, kind, protocol)
            try:
                sock.settimeout(min(timeout, self.deadline.remaining()))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            except OSError as exc:
                sock.close()
                failure = exc
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(connection, f"no connection to {host} within {timeout} s") from failure
        raise NewConnectionError(connection, str(failure)) from failure


def forbidden(host: str, port: int) -> ForbiddenAddress:
    return ForbiddenAddress(
        f"{host}:{port} 是内网或保留地址，未发起连接。如确为共享交换平台，"
        f"请管理员把它加入 ckanext.gkopen.harvest.allowed_hosts。",
        f"{host}:{port} has a private or reserved address, no connection was made; if it is the exchange "
        "platform, let the administrator add it to ckanext.gkopen.harvest.allowed_hosts",
    )


class _Guarded:
    """Mixed into urllib3's connections: the guard makes the socket."""

    guard: Guard

    def _new_conn(self) -> socket.socket:
        connection: Any = self
        timeout = connection.timeout if isinstance(connection.timeout, int | float) else 5.0
        return self.guard.connect(connection._dns_host, connection.port, timeout, connection)


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, guard: Guard):
        self._guard = guard
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        attributes = {"guard": self._guard}
        plain = type("GuardedHTTP", (_Guarded, HTTPConnection), attributes)
        tls = type("GuardedHTTPS", (_Guarded, HTTPSConnection), attributes)
        context = create_urllib3_context()
        context.sslsocket_class = type("TimedTLSSocket", (_Timed, ssl.SSLSocket), {"deadline": self._guard.deadline})
        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, ssl_context=context, **kwargs
        )
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("GuardedPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("GuardedTLSPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }


class _Session(requests.Session):
    """Never looks where a redirect leads: requests would read the answer's whole body for that, without a limit, even
    where redirects are not followed."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def open_session(allowed_hosts: Collection[str], deadline: Deadline) -> requests.Session:
    """A session that takes nothing from the environment (proxies, .netrc) and connects through the guard."""
    session = _Session()
    session.trust_env = False
    guard = Guard(allowed_hosts, deadline)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _GuardedAdapter(guard))
    session.headers.update({"User-Agent": "gkopen", "Accept": "application/json", "Accept-Encoding": "gzip"})
    return session


def read_body(response: requests.Response, limit: int) -> bytes:
    """The body, decompressed. Raises AnswerTooLarge at once, BadAnswer when the body is cut."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    packed = encoding in ("gzip", "x-gzip", "deflate")
    if not packed and encoding not in ("identity", ""):
        raise BadAnswer(
            f"应答使用了未请求的压缩方式 {encoding[:20]}。请联系平台运维单位。",
            f"the answer has the encoding {encoding[:20]}, which was not asked for; ask the operator",
        )
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced[:18]) > limit:
        raise AnswerTooLarge(limit)                       # not a byte of it is read
    inflate = zlib.decompressobj(AUTOMATIC) if packed else None
    sent, body = 0, bytearray()
    while chunk := response.raw.read1(CHUNK, decode_content=False):
        sent += len(chunk)
        try:
            while inflate is not None and len(body) <= limit and chunk:
                if inflate.eof and chunk[0] == MEMBER:     # gzip may come in several members, or be padded
                    inflate = zlib.decompressobj(AUTOMATIC)
                elif inflate.eof:
                    break
                body += inflate.decompress(chunk, limit + 1 - len(body))
                chunk = inflate.unused_data
        except zlib.error:
            raise BadAnswer(
                "应答的压缩数据已损坏。请稍后重试。",
                "the answer's compression is broken; harvest again later",
                retryable=True,
            ) from None
        body += chunk if inflate is None else b""
        if sent > limit or len(body) > limit:
            raise AnswerTooLarge(limit)
    if inflate is not None and not inflate.eof:
        raise BadAnswer("应答的压缩数据不完整。请稍后重试。", "the compressed answer is cut; harvest again later",
                        retryable=True)
    return bytes(body)


def unreachable(host: str, exc: Exception) -> SourceUnreachable:
    kinds = {type(exc).__name__} | {type(part).__name__ for part in _causes(exc)}
    if kinds & {"NameResolutionError", "gaierror"}:
        zh, en = "域名无法解析", "its name cannot be resolved"
    elif kinds & {"ConnectTimeout", "ConnectTimeoutError", "ReadTimeout", "ReadTimeoutError", "TimeoutError"}:
        zh, en = "超过时限没有应答", "it did not answer within the time limit"
    elif kinds & {"SSLError", "SSLCertVerificationError", "CertificateError"}:
        zh, en = "TLS 证书或握手有误", "its TLS certificate or handshake is wrong"
    elif kinds & {"NewConnectionError", "ConnectionRefusedError"}:
        zh, en = "无法建立连接", "no connection could be made"
    else:
        zh, en = "连接在应答途中断开", "the connection broke off during the answer"
    return SourceUnreachable(
        f"平台 {host} 无法访问：{zh}。请检查网络和 url，稍后重试。",
        f"the platform {host} cannot be reached: {en}; check the network and url, and harvest again later",
    )


def _causes(exc: BaseException) -> list[BaseException]:
    """Everything that an exception wraps, however requests and urllib3 pack it."""
    found: list[BaseException] = []
    queue: list[Any] = [exc]
    while queue and len(found) < 20:
        part = queue.pop()
        if isinstance(part, BaseException) and part not in found:
            found.append(part)
            queue += [part.__cause__, part.__context__, getattr(part, "reason", None), *part.args]
    return found
