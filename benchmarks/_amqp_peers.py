"""
The peers of amqp.py, each as one writes it for speed: publishing in a window of confirms, consuming with one answer for many.

Started with a peer's name and the broker's URL; reads lines `publish QUEUE COUNT` or `consume QUEUE COUNT` and answers each with
the seconds that it took and the most memory that the process ever held, in MB.
"""

import asyncio
import sys
import time
from pathlib import Path

BODY = b'{"id":1000001,"text":"' + b"x" * 1000 + b'"}'
WINDOW, TOGETHER = 1000, 100


def peak_mb() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


class PikaSelect:
    """A SelectConnection for each turn; to connect counts for who consumes, as with ours: publishers stay connected."""

    def __init__(self, url):
        self.url = url

    def turn(self, begin, connecting_at=None):
        import pika

        took = []

        def opened(channel):
            began = connecting_at or time.perf_counter()

            def over():
                took.append(time.perf_counter() - began)
                channel.connection.close()

            begin(pika, channel, over)

        connection = pika.SelectConnection(
            pika.URLParameters(self.url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=opened),
            on_close_callback=lambda connection, _: connection.ioloop.stop(),
        )
        connection.ioloop.start()
        return took[0]

    def publish(self, queue, count):
        def begin(pika, channel, over):
            sent, first = 0, 1

            def feed():
                nonlocal sent
                while sent < count and sent - first + 1 < WINDOW:
                    sent += 1
                    properties = pika.BasicProperties(
                        content_type="application/json", delivery_mode=2, message_id=f"{queue}-{sent}"
                    )
                    channel.basic_publish("", queue, BODY, properties, mandatory=True)

            def confirmed(frame):
                nonlocal first
                first = frame.method.delivery_tag + 1 if frame.method.multiple else first + 1
                if first > count:
                    over()
                else:
                    feed()

            channel.confirm_delivery(confirmed, callback=lambda _: feed())

        return self.turn(begin)

    def consume(self, queue, count):
        def begin(pika, channel, over):
            taken = 0

            def take(channel, method, properties, body):
                nonlocal taken
                taken += 1
                if taken % TOGETHER == 0 or taken == count:
                    channel.basic_ack(method.delivery_tag, multiple=True)
                if taken == count:
                    channel.queue_declare(queue, passive=True, callback=lambda _: over())

            channel.basic_qos(
                prefetch_count=WINDOW, callback=lambda _: channel.basic_consume(queue, on_message_callback=take)
            )

        return self.turn(begin, time.perf_counter())


class PikaBlocking(PikaSelect):
    def publish(self, queue, count):
        raise NotImplementedError

    def consume(self, queue, count):
        import pika

        began = time.perf_counter()
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=WINDOW)
            for taken, (method, _, _) in enumerate(channel.consume(queue), 1):
                if taken % TOGETHER == 0 or taken == count:
                    channel.basic_ack(method.delivery_tag, multiple=True)
                if taken == count:
                    break
            channel.queue_declare(queue, passive=True)
            return time.perf_counter() - began


class AioPika:
    def __init__(self, url):
        self.url = url

    def publish(self, queue, count):
        return asyncio.run(self._publish(queue, count))

    def consume(self, queue, count):
        return asyncio.run(self._consume(queue, count))

    async def _publish(self, queue, count):
        import aio_pika

        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel(publisher_confirms=True)

            async def one(number):
                message = aio_pika.Message(
                    BODY, content_type="application/json", delivery_mode=2, message_id=f"{queue}-{number}"
                )
                await channel.default_exchange.publish(message, queue, mandatory=True)

            return await in_window(one, count)

    async def _consume(self, queue, count):
        import aio_pika

        began = time.perf_counter()
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=WINDOW)
            found = await channel.get_queue(queue)
            over, taken = asyncio.Event(), 0

            async def take(message):
                nonlocal taken
                taken += 1
                if taken % TOGETHER == 0 or taken == count:
                    await message.ack(multiple=True)
                if taken == count:
                    over.set()

            await found.consume(take)
            await over.wait()
            await channel.declare_queue(queue, passive=True)
            return time.perf_counter() - began


class FastStream(AioPika):
    async def _publish(self, queue, count):
        from faststream.rabbit import RabbitBroker

        async with RabbitBroker(self.url, logger=None) as broker:
            await broker.start()

            async def one(number):
                await broker.publish(
                    BODY, queue, persist=True, mandatory=True, message_id=f"{queue}-{number}",
                    content_type="application/json",
                )  # fmt: skip

            return await in_window(one, count)


async def in_window(one, count):
    """Time `count` sendings of which WINDOW are unconfirmed at a time."""
    window = asyncio.Semaphore(WINDOW)

    async def confirmed(number):
        await one(number)
        window.release()

    began = time.perf_counter()
    tasks = []
    for number in range(count):
        await window.acquire()
        tasks.append(asyncio.create_task(confirmed(number)))
    await asyncio.gather(*tasks)
    return time.perf_counter() - began


def main() -> None:
    name, url = sys.argv[1:]
    peer = {"pika": PikaSelect, "blocking": PikaBlocking, "aio-pika": AioPika, "faststream": FastStream}[name](url)
    for line in sys.stdin:
        work, queue, count = line.split()
        print(getattr(peer, work)(queue, int(count)), peak_mb(), flush=True)


if __name__ == "__main__":
    main()
