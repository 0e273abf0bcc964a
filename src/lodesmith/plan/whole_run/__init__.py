"""What comes of many steps: days, energy, cost, faults, loss; mixed machines, sites, serving."""
