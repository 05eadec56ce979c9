"""Where every shipped artefact comes from: data, nets, conversion, export."""
