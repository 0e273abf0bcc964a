"""Processes that train together: started, watched, ended, replaced."""
