"""HTTP/1.1 to servers on this machine, as little of it as they need."""

import asyncio


class Lost(Exception):
    """The connection ended before the answer did: whether the call was executed is not
    known."""


class Server:
    """A server on a port of this machine. Connections are used again if `keep` is set."""

    def __init__(self, port, keep=True):
        self.port = port
        self.keep = keep
        self.idle = []

    async def post(self, path, body, headers=(), timeout=10):
        """The status and the body of the answer."""
        lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if not self.keep:
            lines.append("connection: close")
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        try:
            async with asyncio.timeout(timeout):
                return await self.exchange(request)
        except TimeoutError:
            raise Lost(f"no answer within {timeout} s") from None
        except (OSError, EOFError, ValueError) as error:
            raise Lost(str(error)) from error

    async def exchange(self, request):
        if self.idle:
            reader, writer = self.idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        is_whole = False
        try:
            writer.write(request)
            status, body = await read_answer(reader)
            is_whole = True
            return status, body
        finally:
            if is_whole and self.keep:
                self.idle.append((reader, writer))
            else:
                writer.close()


async def read_answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    status = int(head[0].split(b" ")[1])
    headers = dict(line.lower().split(b":", 1) for line in head[1:] if line)
    if b"content-length" in headers:
        return status, await reader.readexactly(int(headers[b"content-length"]))
    if b"chunked" not in headers.get(b"transfer-encoding", b""):
        return status, b""
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return status, bytes(body)
