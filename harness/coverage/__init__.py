"""Says which documented targets are proved, by which run, how strongly, and what is owed. Pure."""
