"""Where the clips of decode and extract are made: in this process, or on the nodes of a Ray cluster."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from tavlad.params import Section
from tavlad.store.making import Engine, here

if TYPE_CHECKING:
    import torch


class Ray(Section):
    """Key `engine` and section `ray`: they decide no value, and are in no key of the store."""

    section: ClassVar[str] = "ray"
    shared: ClassVar[tuple[str, ...]] = ("engine",)
    silent: ClassVar[tuple[str, ...]] = ("engine", "address", "cpus", "gpus", "mixed")
    engine: Literal["local", "ray"]
    address: str = Field(pattern=r"^([^/]+:\d+)?$")  # no ray://, whose driver would be on another machine
    cpus: PositiveInt
    gpus: NonNegativeFloat
    mixed: bool

    def engine_for(self, opener: Callable[[Any, Any], Any], precision: str = "") -> Engine:
        """The engine of a stage; the actors of Ray open an `opener` each.

        With a `precision`, the parameter, they have a network, and take what section `ray` says; else one CPU.
        """
        if self.engine == "local":
            return here
        from tavlad.cluster.driver import spread
        from tavlad.cluster.nodes import Slice
        from tavlad.cluster.session import Cluster

        # a network has one clip more than CPUs, which is read, or written, while another is computed
        wanted = Slice(self.cpus, self.gpus, self.cpus + 1) if precision else Slice(1, 0, 1)
        cluster = Cluster(self.address, self.mixed)
        return partial(spread, opener=opener, cluster=cluster, wanted=wanted, precision=precision)

    def device(self, name: str) -> str:
        """The device that this machine resolves `precision` for: parameter `device`, or the kind that actors have."""
        if self.engine == "local":
            return name
        return "auto" if self.gpus else "cpu"

    def network_device(self, own: "torch.device") -> "torch.device":
        """Where the network runs: `own`, or on the GPUs of actors, whether this machine has one or not."""
        import torch

        return torch.device("cuda") if self.engine == "ray" and self.gpus else own
