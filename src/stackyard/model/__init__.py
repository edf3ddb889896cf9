"""The nouns: image, service, container, contract, site, node. Frozen values, no behaviour that acts."""
