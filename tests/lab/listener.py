# SPDX-License-Identifier: ISC
"""A small TCP server in a thread, the base of the lab's fronts and proxies.

Why: tests are plain functions, while peers that forward bytes both ways are
simplest as coroutines; here the two meet.  It must never outlive its test:
close() ends the listener, every connection and the thread.
"""

import asyncio
import threading


class Listener:
    """Listens from construction to close(); `port` is the real one.

    A subclass defines serve(reader, writer), which runs once a connection; what
    it raises of OSError or time-outs ends that connection only.  At most
    LIMIT connections at a time, further ones are closed at once.
    """

    LIMIT = 256

    def __init__(self, host="127.0.0.1", port=0, context=None):
        self.host, self.port = host, port
        self.connections = 0
        self.accepted = 0
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    async def serve(self, reader, writer):
        raise NotImplementedError

    def _run(self):
        asyncio.set_event_loop(self._loop)
        # A client that breaks off its handshake is what tests want to see.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        try:
            server = self._loop.run_until_complete(asyncio.start_server(
                self._accept, self.host, self.port, ssl=self._context,
                limit=65536))
            self.port = server.sockets[0].getsockname()[1]
        except OSError as error:
            self._error = error
            self._loop.close()
            return
        finally:
            self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(
            asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _accept(self, reader, writer):
        self.accepted += 1
        if self.connections >= self.LIMIT:
            writer.close()
            return
        self.connections += 1
        try:
            await self.serve(reader, writer)
        except (OSError, EOFError, asyncio.TimeoutError,
                asyncio.LimitOverrunError):
            pass
        finally:
            self.connections -= 1
            writer.close()

    def close(self):
        """End everything; may be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)


async def join(reader, writer, far_reader, far_writer, count=None):
    """Forward both ways until both have ended; count(up, data) sees it all."""
    async def pump(source, sink, up):
        try:
            while data := await source.read(65536):
                if count is not None:
                    count(up, data)
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()
            else:
                sink.close()
        except OSError:
            sink.close()
    try:
        await asyncio.gather(pump(reader, far_writer, True),
                             pump(far_reader, writer, False))
    finally:
        far_writer.close()
