"""The record, its revisions and its journal."""
