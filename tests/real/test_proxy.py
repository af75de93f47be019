"""The fault proxy does the fault that it was asked for, and no other."""

import asyncio
import contextlib

import pytest

from tests.real.proxy import Proxy


@pytest.fixture
async def proxy():
    async def echo(reader, writer):
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(1000):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


@pytest.fixture
async def link(proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    yield reader, writer
    writer.close()


async def test_delay_is_latency_both_ways_and_order_stays(proxy, link):
    reader, writer = link
    proxy.delay_s = 0.1
    loop = asyncio.get_running_loop()
    began = loop.time()
    for n in range(10):
        writer.write(b"%d" % n)
        await asyncio.sleep(0.01)
    assert await reader.readexactly(10) == b"0123456789"
    assert 0.2 <= loop.time() - began < 1.0  # not ten times 0.2


async def test_swallowed_bytes_are_gone_and_the_connection_stays(proxy, link):
    reader, writer = link
    proxy.swallowing = True
    writer.write(b"lost")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(10), 0.2)
    proxy.swallowing = False
    writer.write(b"found")
    assert await reader.readexactly(5) == b"found"


async def test_a_cut_is_an_end_and_a_reset_is_a_reset(proxy, link):
    reader, _ = link
    proxy.cut()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    await reader.readexactly(5)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)


async def test_after_so_many_bytes_it_cuts_in_mid_message(proxy, link):
    reader, writer = link
    proxy.cut_after(7)
    writer.write(b"0123456789")
    assert await asyncio.wait_for(reader.read(), 5) in {b"0123456", b""}  # the echo may have been too late
    again, to_it = await asyncio.open_connection("127.0.0.1", proxy.port)
    to_it.write(b"0123456789")
    assert await again.readexactly(10) == b"0123456789"  # the limit was for once


async def test_who_comes_while_it_refuses_is_reset(proxy, link):
    proxy.refusing = True
    with pytest.raises(ConnectionResetError):
        reader, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
        await asyncio.wait_for(reader.read(), 5)
    assert proxy.connections_made == 1


async def test_a_server_that_is_not_there_looks_like_a_reset():
    async with Proxy(1) as proxy:
        with pytest.raises(ConnectionResetError):
            reader, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
            await asyncio.wait_for(reader.read(), 5)
