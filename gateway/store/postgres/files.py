"""Files that lie behind links: from the message that names them to the file that we keep."""
