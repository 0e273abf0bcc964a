"""What a link is worth: bits per byte gained and forgotten, and preferences learnt."""
