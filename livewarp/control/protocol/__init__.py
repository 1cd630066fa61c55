"""What the control plane understands, whatever carries it: the table of methods, messages, events, presets."""
