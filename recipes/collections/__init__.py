"""Pictures of other hands for version 2 of the shipped model, each with a licence that was checked."""
