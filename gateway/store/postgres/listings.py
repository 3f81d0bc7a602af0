"""Pages for the desk, the REST interface and the operator. Cursors hold the last row's sort key."""
