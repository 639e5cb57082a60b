"""What spend amounted to: questions about costs, outcomes, reconciliation, the scorecard."""
