"""Finding direct calls of providers in a source tree. Pure but for reading the files; what is looked for is data."""
