"""Decides what runs say of the controls of a framework, and which actions are open. Pure."""
