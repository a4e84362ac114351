"""What scenes are made of: sky, mountains, ground, water, weather."""
