"""A proxy that speaks TLS and has one port for all services, as people put before a cloud."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HEAD = b"\r\n\r\n"


def certificate(name: str, folder: Path) -> Path:
    """Make a certificate for a host, signed by itself, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = folder / f"{name}.pem"
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, kind, serialization.NoEncryption()))
    return file


def forwarded(head: bytes, paths: Mapping[str, tuple[str, int]], host: str) -> tuple[tuple[str, int], bytes]:
    """Where a request goes, by the begin of its path, and as what: the server calls it by its own name."""
    first, *headers = head.decode("latin-1").split("\r\n")
    method, path, version = first.split(" ")
    prefix = f"/{path[1:].partition('/')[0]}"
    server = paths[prefix]
    upgrade = any(header.lower().startswith("upgrade:") for header in headers)
    kept = [header for header in headers if header.lower().partition(":")[0] not in {"host", "connection"}]
    kept += [f"Host: {server[0]}:{server[1]}", f"Connection: {'Upgrade' if upgrade else 'close'}"]
    kept += ["X-Forwarded-Proto: https", f"X-Forwarded-Host: {host}", f"X-Forwarded-Prefix: {prefix}"]
    lines = [f"{method} {path.removeprefix(prefix) or '/'} {version}", *kept]
    return server, "\r\n".join(lines).encode("latin-1") + HEAD


def copy(source: socket.socket, target: socket.socket) -> None:
    """Hand on all that comes, and then that nothing comes any more."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serve(client: ssl.SSLSocket, paths: Mapping[str, tuple[str, int]], host: str) -> None:
    """One request, or one WebSocket."""
    with client, suppress(OSError):
        client.do_handshake()
        head = b""
        while HEAD not in head:
            if not (more := client.recv(65536)):
                return
            head += more
        head, _, rest = head.partition(HEAD)
        where, asked = forwarded(head, paths, host)
        with socket.create_connection(where) as server:
            server.sendall(asked + rest)
            other = threading.Thread(target=copy, args=(client, server), daemon=True)
            other.start()
            copy(server, client)
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            other.join()  # it would read from the next connection that has this one's number


@contextmanager
def tls_proxy(name: str, port: int, paths: Mapping[str, tuple[str, int]], pem: Path) -> Iterator[None]:
    """Serve `https://name:port/PATH/…` from the server of each path, on 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", port)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client = context.wrap_socket(listener.accept()[0], server_side=True, do_handshake_on_connect=False)
                    threading.Thread(target=serve, args=(client, paths, f"{name}:{port}"), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield
