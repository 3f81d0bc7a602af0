"""What the people at the desk do: the actions, who the people are, and the record revisions that follow."""
