"""What ships as plugins. Found by name through the same table as anybody's (`kernel/discover.py`)."""
