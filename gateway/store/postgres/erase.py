"""Erasing a person: words, names, addresses and files' names go; counts, times and categories stay."""
