"""The command line: one module a command; the only place where concrete drivers are chosen."""
