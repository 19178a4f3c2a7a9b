"""Three RabbitMQ nodes on loopback that are one cluster, each with its own data folder."""

from typing import Self

from .rabbitmq import RabbitMQ

_COOKIE = "drawbar-test-cluster"
_FORMATION = "cluster_formation.classic_config"


class RabbitMQCluster:
    """Quorum queues have a replica on every node; a node that was killed comes back with `start`."""

    def __init__(self, nodes: int = 3) -> None:
        first = RabbitMQ()
        self.nodes = [first, *(RabbitMQ(beside=first) for _ in range(nodes - 1))]
        found = "".join(f"{_FORMATION}.nodes.{at} = {node.node}\n" for at, node in enumerate(self.nodes, 1))
        for node in self.nodes:
            node.more = f"cluster_formation.peer_discovery_backend = classic_config\n{found}"
            cookie = node.home / ".erlang.cookie"
            cookie.write_text(_COOKIE)
            cookie.chmod(0o400)

    @property
    def url(self) -> str:
        """The AMQP URL of the first node."""
        return self.nodes[0].url

    @property
    def hosts(self) -> list[str]:
        """The other nodes, as `hosts` of an adapter."""
        return [f"{node.host}:{node.port}" for node in self.nodes[1:]]

    def start(self) -> Self:
        for node in self.nodes:
            node.start()
        return self

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()
