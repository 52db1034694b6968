"""What ships as plugins, found by name through the table anybody's are (`kernel/discover.py`)."""
