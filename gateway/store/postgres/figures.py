"""The audit's figures and the gauges: from counters and partial indexes, never from a scan of all rows."""
