"""A model that learns, whole on each rank or laid over many."""
