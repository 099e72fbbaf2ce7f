"""The only sockets, subprocesses and clocks of the harness; one module per system."""
