"""What each event does to the tables, and the postings that say so: a file for each thing told."""
