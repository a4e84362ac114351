"""Training of ControlNets."""
