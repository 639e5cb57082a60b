"""What is replaced by placeholders before anybody outside, or the store, gets a text; and what is put back. Pure."""
