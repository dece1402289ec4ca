"""What libraries and the project count themselves: read where their module is loaded. Nothing is imported for it."""

import array
import operator
import sys

#: Largest number that is believed.
_LARGEST = 1 << 45
_int = int


def _of_cupy(cupy):
    return cupy.get_default_memory_pool().used_bytes()


def _of_mps(torch):
    return torch.mps.current_allocated_memory() if torch.backends.mps.is_available() else 0


def _of_tensorflow(tensorflow):
    devices = tensorflow.config.list_logical_devices("GPU")
    return sum(tensorflow.config.experimental.get_memory_info(device.name)["current"] for device in devices)


#: By the name of the counter: the module that has it, and how that is asked. Names that end in `_bytes` are bytes.
LIBRARIES = {
    "arrow_bytes": ("pyarrow", lambda pyarrow: pyarrow.total_allocated_bytes()),
    # ROCm as well; without a device, and before it is used, nothing is.
    "cuda_bytes": ("torch", lambda torch: torch.cuda.memory_allocated() if torch.cuda.is_initialized() else 0),
    "mps_bytes": ("torch", _of_mps),
    "cupy_bytes": ("cupy", _of_cupy),
    "jax_arrays": ("jax", lambda jax: len(jax.live_arrays())),
    "tensorflow_bytes": ("tensorflow", _of_tensorflow),
}


class Gauge:
    """One such counter."""

    def __init__(self, name, module, ask):
        # type: (str, str, object) -> None
        self.name = name
        self._module = module
        self._ask = ask
        # In an array, since a number would be growth.
        self._last = array.array("q", [0])
        #: Why it could not be read, the first time.
        self.trouble = None  # type: str | None

    @classmethod
    def of_library(cls, name):
        # type: (str) -> Gauge
        return cls(name, *LIBRARIES[name])

    @classmethod
    def configured(cls, name, place):
        # type: (str, str) -> Gauge
        """One that the project has at `place`, `module:function`."""
        module, _, path = place.partition(":")
        find = operator.attrgetter(path)
        return cls(name, module, lambda found: find(found)())

    def is_there(self):
        # type: () -> bool
        return sys.modules.get(self._module) is not None

    def read(self):
        # type: () -> int
        """What it says; where it does not, what it said last."""
        module = sys.modules.get(self._module)
        if module is None:
            return self._last[0]
        try:
            value = _int(self._ask(module))
            if not -_LARGEST < value < _LARGEST:
                raise ValueError("it says {}".format(value))
            self._last[0] = value
        except Exception as error:
            if self.trouble is None:
                why = "{}: {}".format(type(error).__name__, str(error)[:200])
                what = "the counter `{}` could not be read: {}; ".format(self.name, why)
                self.trouble = what + "it takes a function without arguments that returns a number"
        return self._last[0]
