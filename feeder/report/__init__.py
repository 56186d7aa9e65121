"""What happened and how things stand: `blocks` for people, `values` for programs; a module for each command that tells."""
