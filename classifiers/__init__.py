"""What a text or a workflow is. Detectors and the risk tree come here; nothing in this package imports ours."""
