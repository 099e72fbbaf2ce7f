"""Damage that is planted on the practice platform on purpose, and put right again."""
