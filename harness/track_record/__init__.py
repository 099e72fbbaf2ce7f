"""The record of what each target and scenario showed over all runs: read, kept, analysed."""
