"""The ground floor: errors, typed config, units, messages, durable files, processes."""
