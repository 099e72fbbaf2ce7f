"""What can go wrong between the service and what it depends on."""


class DependencyAwayError(Exception):
    """A dependency did not do its part within its deadline; whether it will have is not known."""

    def __init__(self, dependency: str, reason: str) -> None:
        super().__init__(f"{dependency}: {reason}")
        self.dependency = dependency
        self.reason = reason


class OrderConflictError(Exception):
    """Another order has this id already."""


def describe(error: BaseException, deadline: float) -> str:
    """A reason in one line, for an answer and a log; no URL, hence no password, is in it."""
    if isinstance(error, TimeoutError):
        return f"no answer within {deadline * 1000:.0f} ms"
    if isinstance(error, (RuntimeError, AttributeError)):
        return "the connection was dropped while it was used"  # transports say it in many ways
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
