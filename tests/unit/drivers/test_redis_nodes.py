"""What CLUSTER NODES says, as values."""

import pytest

from harness.drivers.redis import RedisServerError, parse_nodes, slot_numbers

TEXT = """\
07c3 10.0.0.1:6379@16379,host-1 myself,master - 0 1426238317239 4 connected 0-99 101 [7->-67ed]
67ed ::1:6380@16380 slave,fail? 07c3 1426238316232 1426238315232 4 disconnected
vars currentEpoch 6 lastVoteEpoch 0
"""


def test_no_line_is_no_node() -> None:
    """An empty answer has no nodes, rather than one without a name."""
    assert parse_nodes("") == ()


def test_each_line_is_a_node_with_its_slots_and_its_open_slots() -> None:
    """Addresses with host names and of IPv6, single slots, migrating slots, failed nodes."""
    master, replica = parse_nodes(TEXT)
    assert (master.host, master.port, master.config_epoch) == ("10.0.0.1", 6379, 4)
    assert list(slot_numbers(master.slots)) == [*range(100), 101]
    assert master.open_slots == ("[7->-67ed]",)
    assert (replica.host, replica.port, replica.master_id) == ("::1", 6380, "07c3")
    assert replica.has_failed
    assert not replica.is_master
    assert master.is_master
    assert not master.has_failed


def test_a_line_of_another_shape_is_an_error() -> None:
    """Rather than a node that owns nothing."""
    with pytest.raises(RedisServerError, match="eight fields"):
        parse_nodes("ERR something else\n")
