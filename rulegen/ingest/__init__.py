"""Outside bytes → core nouns. One file a source; every reader returns what is good and what is wrong."""
