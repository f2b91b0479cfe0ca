"""Where decode and extract process clips: in this process, or on the nodes of a Ray cluster."""

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from tavlad.params import Section
from tavlad.store.making import Engine, here

if TYPE_CHECKING:
    import torch

    from tavlad.cluster.node import Filler


class Ray(Section):
    """Key `engine` and section `ray`: they affect no values, and are in no key of the store."""

    section: ClassVar[str] = "ray"
    shared: ClassVar[tuple[str, ...]] = ("engine",)
    silent: ClassVar[tuple[str, ...]] = ("engine", "address", "cpus", "gpus", "mixed")
    engine: Literal["local", "ray"]
    address: str = Field(pattern=r"^([^/]+:\d+)?$")  # not ray://, whose driver would run on another machine
    cpus: PositiveInt
    gpus: NonNegativeFloat
    mixed: bool

    def engine_for(self, opener: "type[Filler]", precision: str = "") -> Engine:
        """The engine of a stage; with Ray, each actor creates one object of the class `opener`.

        With a `precision`, the parameter, actors run a network with the resources of section `ray`; else with one CPU.
        """
        if self.engine == "local":
            return here
        from tavlad.cluster.driver import spread
        from tavlad.cluster.nodes import Slice
        from tavlad.cluster.session import Cluster

        # a network gets one clip more than CPUs, to be read or written while another is computed
        wanted = Slice(self.cpus, self.gpus, self.cpus + 1) if precision else Slice(1, 0, 1)
        cluster = Cluster(self.address, self.mixed)
        return partial(spread, opener=opener, cluster=cluster, wanted=wanted, precision=precision)

    def device(self, name: str) -> str:
        """The device for which `precision` is resolved here: parameter `device`, or the kind that actors have."""
        if self.engine == "local":
            return name
        return "auto" if self.gpus else "cpu"

    def network_device(self, own: "torch.device") -> "torch.device":
        """Where the network runs: on `own`, or on the actors' GPUs, even if this machine has none."""
        import torch

        return torch.device("cuda") if self.engine == "ray" and self.gpus else own
