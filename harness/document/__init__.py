"""Reads an architecture document, and says where its promises and the targets differ. Pure, but
for `reading`, which opens the file.
"""
