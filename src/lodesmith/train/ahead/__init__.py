"""What can be known before a rank is started: layouts, objectives, memory."""
