"""Who may ask, for which models, how much, and through which socket."""
