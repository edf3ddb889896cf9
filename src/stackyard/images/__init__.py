"""Images: catalogue -> recipe (pure) -> base and bake (effects) -> report."""
