"""What actions of one session mean together: where data came from, what was done before.

Pure: sessions come in and go out as values, and so do the times.
"""
