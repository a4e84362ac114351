"""What the painters share: colours, noise, a canvas that knows which thing owns which pixel, and brushes."""
