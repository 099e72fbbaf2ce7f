"""The values that flow through the harness: standard library and msgspec only, no I/O."""
