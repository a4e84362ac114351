"""What every test uses: the shipped model."""
