"""Values found in a text: numbers, contacts, money, moments, names and places, each with its span."""
