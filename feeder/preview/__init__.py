"""What would be read of a source or of one document. Nothing is stored."""
