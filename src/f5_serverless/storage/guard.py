"""Which hosts may be asked on behalf of a stranger.

In: an `HttpAddress`. Out: the IP addresses to connect to, all of them checked, or `SourceRefused`. The caller connects
to these addresses and never resolves the name again, so a name that changes its answer gains nothing. Opens no
connection itself.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from f5_serverless.errors import FetchFailed, SourceNotFound, SourceRefused
from f5_serverless.storage.addresses import HttpAddress

IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""(host name, port) → IP addresses as text. Raises `OSError` (`socket.gaierror`)."""

_V4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "cloud metadata",
    "169.254.0.0/16": "link-local or cloud metadata",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "reserved",
    "192.52.193.0/24": "reserved",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "reserved",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_V6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "2001::/23": "reserved",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "reserved",
    "3fff::/20": "documentation",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "ff00::/8": "multicast",
}
_REFUSED = [(ipaddress.ip_network(net), why) for net, why in (_V4 | _V6).items()]
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_NAMES = {
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "metadata",
    "metadata.google.internal",
    "instance-data",
}
_ZONES = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".lan", ".intranet")

_OTHER_SERVICES = (  # above 1023, and never a web server: proxies, databases, queues, remote control
    "1080 1433 1521 1719 1720 1723 2049 2181 2375 2376 2379 2380 3128 3306 3389 3659 4045 4369 5060 5061 5432 5672 "
    "5984 6000 6379 6443 6566 6665 6666 6667 6668 6669 6679 6697 8500 9042 9092 9100 9160 9200 9300 10080 10250 11211 "
    "15672 25565 27017 27018 50070"
)
_SERVICE_PORTS = frozenset(int(port) for port in _OTHER_SERVICES.split())


def refusal(ip: IP) -> str | None:
    """Why ``ip`` must not be asked, None if it may. IPv6 forms that carry an IPv4 address are judged by that address.

    >>> refusal(ipaddress.ip_address("::ffff:10.0.0.1"))
    'private'
    """
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _embedded_v4(ip)
        if inner is not None:
            return refusal(inner)
    for network, why in _REFUSED:
        if ip in network:
            return why
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_V6:
        return "reserved"
    return None


def _embedded_v4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that the mapped and NAT64 forms reach; the ISATAP form too, whatever its prefix."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    low = int(ip) & 0xFFFFFFFF
    isatap = (int(ip) >> 32) & 0xFCFFFFFF == 0x00005EFE
    return ipaddress.IPv4Address(low) if ip in _NAT64 or isatap else None


def literal(host: str) -> IP | None:
    """The address that ``host`` spells, None if it is a name. Raises `ValueError` for a number that is no address.

    Reads what C libraries read: decimal, octal and hexadecimal parts, and fewer than four of them.

    >>> literal("0x7f.1"), literal("2130706433"), literal("example.com")
    (IPv4Address('127.0.0.1'), IPv4Address('127.0.0.1'), None)
    """
    if ":" in host:
        if "%" in host:
            raise ValueError(host)  # a zone: only link-local addresses have one
        return ipaddress.IPv6Address(host)
    parts = host.split(".")
    if not _is_number(parts[-1]):
        return None
    numbers = [_number(part) for part in parts]
    if len(numbers) > 4 or any(number > 255 for number in numbers[:-1]):
        raise ValueError(host)
    last_size = 5 - len(numbers)
    if numbers[-1] >= 256**last_size:
        raise ValueError(host)
    value = numbers[-1]
    for index, number in enumerate(numbers[:-1]):
        value += number << (8 * (3 - index))
    return ipaddress.IPv4Address(value)


def _is_number(part: str) -> bool:
    return part.isdigit() or part.startswith("0x")


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    if not part.isascii() or not part.isdigit() or len(part) > 40:
        raise ValueError(part)
    return int(part, 8) if len(part) > 1 and part.startswith("0") else int(part)


def system_resolver(host: str, port: int) -> Sequence[str]:
    """The addresses of ``host``, as the operating system finds them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


@dataclass(frozen=True)
class Guard:
    """Decides on addresses. ``allow_hosts``: "host" or "host:port" entries that are exempt from every check below."""

    allow_hosts: frozenset[str] = frozenset()
    resolver: Resolver = field(default=system_resolver)

    @classmethod
    def of(cls, allow_hosts: Iterable[str], resolver: Resolver = system_resolver) -> Guard:
        """From the entries of ``F5_ALLOW_HOSTS``."""
        return cls(frozenset(entry.strip().lower().rstrip(".") for entry in allow_hosts if entry.strip()), resolver)

    def addresses(self, address: HttpAddress, *, field: str | None, timeout: float) -> list[str]:
        """The IP addresses to connect to, at least one. Raises `SourceRefused`, `SourceNotFound` or `FetchFailed`.

        One refused address among many refuses the name: a host that mixes them is set up to be caught between check
        and use.
        """
        allowed = self._is_allowed(address)
        if not allowed:
            self._check_name_and_port(address, field)
        ips = self._resolve(address, field, timeout)
        if not allowed:
            for ip in ips:
                why = refusal(ip)
                if why is not None:
                    raise SourceRefused(f"{address.netloc} is not a public address ({why}).", field=field)
        return [str(ip) for ip in ips]

    def _is_allowed(self, address: HttpAddress) -> bool:
        host = f"[{address.host}]" if ":" in address.host else address.host
        return not self.allow_hosts.isdisjoint({address.host, host, f"{host}:{address.port}"})

    def _check_name_and_port(self, address: HttpAddress, field: str | None) -> None:
        if address.host in _NAMES or address.host.endswith(_ZONES):
            raise SourceRefused(f"{address.netloc} is a name of a private network.", field=field)
        usual = address.port in (80, 443) or (address.port >= 1024 and address.port not in _SERVICE_PORTS)
        if not usual:
            raise SourceRefused(f"Port {address.port} is not one that recordings are served from.", field=field)

    def _resolve(self, address: HttpAddress, field: str | None, timeout: float) -> list[IP]:
        try:
            ip = literal(address.host)
        except ValueError:
            raise SourceRefused("The host looks like an IP address and is none.", field=field) from None
        if ip is not None:
            return [ip]
        answers = _in_time(lambda: self.resolver(address.host, address.port), timeout)
        if isinstance(answers, socket.gaierror) and answers.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            raise SourceNotFound(f"There is no host named {address.host}.", field=field)
        if isinstance(answers, BaseException):
            raise FetchFailed(f"The name {address.host} could not be resolved.", field=field) from answers
        ips = [ipaddress.ip_address(answer.partition("%")[0]) for answer in answers]
        if not ips:
            raise SourceNotFound(f"The host {address.host} has no address.", field=field)
        return ips


def _in_time(call: Callable[[], Sequence[str]], timeout: float) -> Sequence[str] | BaseException:
    """``call()`` or what it raised, given up after ``timeout`` seconds: `socket.getaddrinfo` knows no limit itself."""
    result: list[Sequence[str] | BaseException] = []

    def work() -> None:
        try:
            result.append(call())
        except (OSError, UnicodeError) as error:
            result.append(error)

    thread = threading.Thread(target=work, daemon=True, name="resolve")
    thread.start()
    thread.join(timeout)
    return result[0] if result else TimeoutError("name resolution")
