"""What experiments can do, as Chaos Toolkit's Python provider calls it; docs/experiments.md."""
