"""Keeps sealed runs in a bucket with Object Lock, where even their owner cannot change them."""
