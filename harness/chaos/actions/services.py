"""Ends a process of a machine beside the cluster, and keeps it down: an S3 region, for one."""

from __future__ import annotations

from harness.chaos import context
from harness.chaos.activity import action
from harness.chaos.injector import Fault, current
from harness.model.fault import StartService


@action
def stop_service(service: str, machine: str = "outside", subject: str = "") -> list[str]:
    """Stops a service by the node provider; witness: the provider's, that nothing answers.

    `subject` names it in the facts; empty: `service:MACHINE/SERVICE`. It is no part of the cluster,
    so that no cap of the cluster holds it back.
    """
    injector = current()
    context.require_guarded()
    fault = Fault(
        subject=subject or f"service:{machine}/{service}",
        action=f"stop of {service} on {machine}",
        inverses=(StartService(node=machine, service=service),),
        strike=lambda: injector.nodes.stop_service(machine, service),
        refuses_untouched=True,
    )
    return list(injector.break_all([fault]))
