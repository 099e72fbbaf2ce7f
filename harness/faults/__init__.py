"""Whatever the harness breaks or starts is written down first, so that it can be put back."""
